"""`fhir-server` for tests that take the database away: `load` gives it up after two seconds."""

from fhir_server.cli import main
from fhir_server.loading import watch

if __name__ == "__main__":
    watch.PATIENCE = 2.0
    main()
