package enrollment

import "mohur/tokens/seedfile"

// stock puts a device without seeds into stock. One that this very import has
// brought in before it was cut off is counted and left as it is.
func (r *importRun) stock(k seedfile.Key) error {
	h, err := r.holder(k)
	switch {
	case err != nil:
		return err
	case h.brought:
		r.in++
		return nil
	case h.fault != "":
		r.refuse(k.Index, k.Serial, k.KeyID, h.fault)
		return nil
	}
	r.arrives(h, arrival{key: k})
	if len(r.chunk) >= importChunk {
		return r.flush()
	}
	return nil
}
