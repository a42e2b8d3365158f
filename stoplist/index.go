package stoplist

// index is what is refused, as it was at one moment: it is replaced, never
// changed, so that asking it waits for nobody.
type index struct {
	customers, tokens, serials map[string]bool
}

func indexOf(entries []entry) *index {
	x := &index{customers: map[string]bool{}, tokens: map[string]bool{}, serials: map[string]bool{}}
	any := false
	for _, e := range entries {
		if !e.Stops() {
			continue
		}
		any = true
		// A token and a customer are both refused where both are named: whether the
		// token is his cannot be looked up now, and nothing else can be granted now.
		if e.Customer != "" {
			x.customers[e.Customer] = true
		}
		if s, is := serial(e.Token); is {
			x.serials[s] = true
		} else if e.Token != "" {
			x.tokens[e.Token] = true
		}
	}
	if !any {
		return nil
	}
	return x
}

// Any reports whether anything is refused at all: the question of every day, and
// it costs one read.
func (l *List) Any() bool { return l != nil && l.index.Load() != nil }

// Customer reports whether the customer is refused.
func (l *List) Customer(id string) bool {
	return l.Any() && l.at().customers[id]
}

// Token reports whether the token is refused, by its id or its serial. Two tokens
// with one serial are both refused: rather one too many.
func (l *List) Token(id, serial string) bool {
	if !l.Any() {
		return false
	}
	x := l.at()
	return x.tokens[id] || serial != "" && x.serials[serial]
}

// at returns the index, an empty one where there is none.
func (l *List) at() *index {
	if x := l.index.Load(); x != nil {
		return x
	}
	return &index{}
}
