package api

import "mohur/problem"

var certifying = map[string]operation{
	"GET /ca/certificate.cer": {id: "getAuthorityFile", tag: "watch", summary: "The certificate of the bank's authority, for everybody (RFC 2585)",
		out: []result{givesText("application/pkix-cert", "The certificate, DER.")}, refuses: []problem.Code{problem.NotFound}},
	"GET /ca/crl.crl": {id: "getCRL", tag: "watch", summary: "The revocation list of the bank's authority, for everybody (RFC 5280)", about: "Not older than a minute in what it knows.",
		out: []result{givesText("application/pkix-crl", "The list, DER.")}, refuses: []problem.Code{problem.NotFound}},
	"GET /v1/ca": {id: "getAuthority", tag: "clients", summary: "The bank's certificate authority", about: "Its key is in the HSM.",
		out: []result{gives[authorityOut](200, "The authority.")}, refuses: []problem.Code{problem.NotFound}},
	"POST /v1/ca": {id: "createAuthority", tag: "clients", summary: "Make the bank's certificate authority, its own root", about: "There is one, and it stays.",
		in: body((*exchange).createAuthority), out: []result{gives[authorityOut](201, "The authority.")}, refuses: []problem.Code{problem.Conflict}},
	"POST /v1/ca/requests": {id: "requestAuthority", tag: "clients", summary: "Ask for a certificate of the authority's key by a root the bank has already", about: "Changes nothing; the request is for that root (RFC 2986).",
		in: body((*exchange).requestAuthority), out: []result{gives[csrOut](200, "The request.")}, refuses: []problem.Code{problem.Conflict}},
	"PUT /v1/ca": {id: "adoptAuthority", tag: "clients", summary: "Take the certificate that the bank's root gave for the authority's key",
		in: body((*exchange).adoptAuthority), out: []result{gives[authorityOut](201, "The authority.")}, refuses: []problem.Code{problem.Conflict}},
	"POST /v1/tokens/:ref/certificates": {id: "certifyToken", tag: "tokens", summary: "Certify a key that was made on an E-token (clause 4.3.2)",
		about: "The token is assigned to a customer; the key proves itself by signing the request, and the authority decides what the certificate says. Certificates that the token had are revoked. The customer enrols the certificate himself, with his PIN.",
		in:    body((*exchange).certifyToken), out: []result{gives[certificateOut](201, "The certificate, to be written onto the token.")}, refuses: []problem.Code{problem.Conflict}},
	"GET /v1/tokens/:ref/certificates": {id: "listCertificates", tag: "tokens", summary: "The certificates of an E-token", out: []result{gives[page[certificateOut]](200, "The oldest first, the revoked too.")}},
}
