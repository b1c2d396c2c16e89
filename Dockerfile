# The pipeline in a container: docker build -t encore . && docker run -v "$PWD/data:/encore/data" encore
FROM python:3.11.7-slim-bookworm

RUN apt-get update \
    && apt-get install --yes --no-install-recommends git make \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /encore
COPY requirements.lock ./
RUN python -m pip install --no-cache-dir --require-hashes -r requirements.lock

COPY . .
ENTRYPOINT ["python", "-m", "pipeline"]
CMD ["run"]
