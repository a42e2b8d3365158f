package ca

// ReadRequest is readRequest for the fuzz target: the key, if the request passes.
func ReadRequest(der []byte) (any, error) {
	r, err := readRequest(der)
	if err != nil {
		return nil, err
	}
	return r.PublicKey, nil
}
