"""How one file comes over HTTP: web (one request), partial (the bytes so far), transfer (tries until whole), bars."""
