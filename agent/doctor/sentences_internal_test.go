package doctor

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	told = regexp.MustCompile(`"([a-z]+(?:-[a-z]+)*)"`)
	verb = regexp.MustCompile(`%\[\d\][a-z]`)
)

// Every finding has words in all languages, and every sentence is said somewhere.
func TestEverySentenceIsThereInAllLanguages(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	said := map[string]bool{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") || file == "sentences.go" {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			for _, m := range told.FindAllStringSubmatch(line, -1) {
				said[m[1]] = true
				if _, ok := sentences[m[1]]; !ok && strings.Contains(line, "r.add(") {
					t.Errorf("%s has no words", m[1])
				}
			}
		}
	}
	verbs := func(s string) []string {
		all := verb.FindAllString(s, -1)
		slices.Sort(all)
		return slices.Compact(all)
	}
	for code, s := range sentences {
		if !said[code] {
			t.Errorf("%s is never said", code)
		}
		for l := range s.says {
			if s.says[l] == "" || (s.next[l] == "") != (s.next[0] == "") {
				t.Errorf("%s lacks words in language %d", code, l)
			}
			if !slices.Equal(verbs(s.says[l]), verbs(s.says[0])) || !slices.Equal(verbs(s.next[l]), verbs(s.next[0])) {
				t.Errorf("%s says other things in language %d", code, l)
			}
			if strings.Count(s.says[l], "%") != len(verb.FindAllString(s.says[l], -1)) {
				t.Errorf("%s in language %d has a verb without its number", code, l)
			}
		}
	}
}
