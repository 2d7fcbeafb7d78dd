# Stage 1 builds the wheel and installs it beside what it needs to run; stage 2 has nothing else.
# MongoDB is not in it: point FHIR_MONGODB_URI at a replica set.
FROM python:3.12-slim-bookworm AS build
WORKDIR /src
COPY requirements.lock requirements-server.lock ./
RUN python -m venv /opt/build && python -m venv /opt/fhir \
    && /opt/build/bin/pip install --no-cache-dir --require-hashes -r requirements.lock \
    && /opt/fhir/bin/pip install --no-cache-dir --require-hashes -r requirements-server.lock
COPY . .
RUN /opt/build/bin/hatchling build -t wheel \
    && /opt/fhir/bin/pip install --no-cache-dir --no-deps dist/*.whl

FROM python:3.12-slim-bookworm
RUN useradd --system --uid 10001 --home-dir /var/lib/fhir --create-home fhir
COPY --from=build /opt/fhir /opt/fhir
ENV PATH=/opt/fhir/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    FHIR_HOST=0.0.0.0 \
    FHIR_PORT=8080 \
    FHIR_DATA=/var/lib/fhir
USER fhir
WORKDIR /var/lib/fhir
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/readyz', timeout=4)"]
ENTRYPOINT ["fhir-server"]
CMD ["serve"]
