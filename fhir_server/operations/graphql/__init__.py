"""GraphQL over FHIR: queries walked over resources, under the caller's grant.

https://hl7.org/fhir/R4/graphql.html. `document` reads a query, `fields` knows what every type has,
`checking` holds one against the other, `arguments` and `collating` are FHIR's list navigation and
directives, `loading` reads and searches; `collecting` tells what is asked of a value, `resolving`
what it has, `walking` carries out.
"""
