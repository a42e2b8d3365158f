package policy

import "mohur/risk"

// limits is the optional section of ceilings.
type limits struct {
	PerTransaction string `yaml:"per_transaction"`
	PerChannel     struct {
		PC       string `yaml:"pc"`
		Internet string `yaml:"internet"`
		Mobile   string `yaml:"mobile"`
	} `yaml:"per_channel"`
	PerToken string `yaml:"per_token"`
}

// limits reads the section; every member of it may be left out.
func (r *reader) limits(f limits) (l risk.Limits) {
	r.section("limits")
	r.section("limits.per_channel")
	ceiling := func(path, text string) *int64 {
		if !r.has(path) {
			return nil
		}
		n := r.amount(path, text)
		return &n
	}
	l.PerTransaction, l.PerToken = ceiling("limits.per_transaction", f.PerTransaction), ceiling("limits.per_token", f.PerToken)
	for name, text := range map[string]string{"pc": f.PerChannel.PC, "internet": f.PerChannel.Internet, "mobile": f.PerChannel.Mobile} {
		if n := ceiling("limits.per_channel."+name, text); n != nil {
			if l.PerChannel == nil {
				l.PerChannel = map[string]int64{}
			}
			l.PerChannel[name] = *n
		}
	}
	return l
}
