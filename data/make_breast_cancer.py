"""Write scikit-learn's breast-cancer table as CSV, the form a user's own table should take."""

from pathlib import Path

from sklearn.datasets import load_breast_cancer


def main() -> None:
    """Write breast_cancer.csv beside this script."""
    bunch = load_breast_cancer(as_frame=True)
    table = bunch.data.rename(columns=lambda name: name.replace(" ", "_"))
    table.insert(0, "diagnosis", bunch.target.map(lambda code: bunch.target_names[code]))
    path = Path(__file__).with_name("breast_cancer.csv")
    table.to_csv(path, index=False, lineterminator="\n")


if __name__ == "__main__":
    main()
