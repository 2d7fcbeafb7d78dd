"""`python -m fhir_server`: the same as the command `fhir-server`."""

from fhir_server.cli import main

if __name__ == "__main__":
    main()
