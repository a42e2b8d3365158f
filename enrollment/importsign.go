package enrollment

import (
	"errors"

	"mohur/hsm"
	"mohur/problem"
	"mohur/settle"
	"mohur/tokens"
)

// sign sets the MACs of the chunk's credentials and of their first rows, all in one
// visit to the module.
func (r *importRun) sign() error {
	var unsigned []*tokens.AddCredential
	var inputs []hsm.Input
	for i := range r.chunk {
		a := &r.chunk[i].add
		if a.Credential.ID == "" || a.Credential.MAC != nil {
			continue
		}
		unsigned, inputs = append(unsigned, a), append(inputs, a.Credential.Input(), a.Hot.Input())
	}
	if len(inputs) == 0 {
		return nil
	}
	macs, err := r.service.HSM.MACs(r.ctx, hsm.RowMAC, inputs...)
	if err != nil {
		return problem.Away(err)
	}
	if len(macs) != len(inputs) {
		return problem.Away(errors.New("enrollment: the module answered another number of MACs"))
	}
	for i, a := range unsigned {
		a.Credential.MAC = macs[2*i]
		if copy(a.Hot.MAC[:], macs[2*i+1]) != settle.MACSize {
			return problem.Away(errors.New("enrollment: the module answered a MAC that is too short"))
		}
	}
	return nil
}
