package words

import (
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"slices"
	"strconv"
	"testing"
)

var verb = regexp.MustCompile(`%[a-z]`)

func TestEverySentenceIsThereInAllLanguages(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "words.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	keys := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 {
			return true
		}
		lit, ok := spec.Values[0].(*ast.BasicLit)
		if !ok {
			return true
		}
		name, _ := strconv.Unquote(lit.Value)
		keys++
		if _, ok := sentences[Key(name)]; !ok {
			t.Errorf("%s is said in no language", spec.Names[0].Name)
		}
		return true
	})
	if keys != len(sentences) {
		t.Errorf("%d keys, %d sentences", keys, len(sentences))
	}
	for key, s := range sentences {
		for _, l := range []Language{AZ, EN, RU} {
			if s[l] == "" || !slices.Equal(verb.FindAllString(s[l], -1), verb.FindAllString(s[EN], -1)) {
				t.Errorf("%s in %s: %q", key, l, s[l])
			}
		}
	}
}

func TestPick(t *testing.T) {
	for _, c := range []struct {
		wanted []string
		want   Language
	}{
		{[]string{"az"}, AZ}, {[]string{"", "ru_RU.UTF-8"}, RU}, {[]string{"de", "AZ-Latn-AZ"}, AZ}, {nil, EN}, {[]string{"C"}, EN},
	} {
		if got := Pick(c.wanted...); got != c.want {
			t.Errorf("%q: %s, want %s", c.wanted, got, c.want)
		}
	}
}
