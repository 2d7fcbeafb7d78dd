"""Terminology: code systems, value sets and concept maps, and what is asked of them.

https://hl7.org/fhir/R4/terminology-service.html. Nothing here reads a database: what is needed of
one comes through `library.Library`.
"""
