"""The interactions of the FHIR RESTful API, one module each, in the words of http.html."""
