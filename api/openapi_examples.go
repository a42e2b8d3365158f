package api

import (
	_ "embed" // for the examples
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"mohur/parties"
)

// The examples of the document are one story, in the order in which a test
// plays it against a real bank. They are test data: the seeds are those of RFC
// 4226, the customers are nobody.
//
//go:embed openapi/examples.json
var examplesText []byte

// step is a request of the story and its answer.
type step struct {
	Operation string            `json:"operation"`
	Name      string            `json:"name"`
	As        parties.Role      `json:"as,omitzero"` // none: anybody
	Path      map[string]string `json:"path,omitempty"`
	Query     map[string]string `json:"query,omitempty"`
	Body      jsontext.Value    `json:"body,omitzero"`
	Status    int               `json:"status"`
	// Keep names values of the answer that later steps use: what stands here is
	// what stands in the document, at the member with that path.
	Keep   map[string]string `json:"keep,omitempty"`
	Answer jsontext.Value    `json:"answer,omitzero"`
}

func loadExamples() ([]step, error) {
	var all []step
	if err := json.Unmarshal(examplesText, &all, json.RejectUnknownMembers(true)); err != nil {
		return nil, fmt.Errorf("api: the examples of the document: %w", err)
	}
	return all, nil
}

// value is what the step sends in a parameter, nil for nothing.
func (s step) value(p *openParameter) jsontext.Value {
	from := s.Query
	if p.In == "path" {
		from = s.Path
	}
	v, sent := from[p.Name]
	switch {
	case !sent:
		return nil
	case p.Schema.Type == "integer":
		return jsontext.Value(v)
	}
	return quoted(v)
}
