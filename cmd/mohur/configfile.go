package main

import (
	"fmt"
	"strings"
)

const configHead = `# The configuration of a Mohur server.
#
# Unknown settings are errors. Paths start at the directory of this file. Secrets
# are never in it, only the files that hold them. Check a change with
#   mohur config check --config %s
`

// document writes the configuration as a file in which every setting is
// explained, those without a value commented out.
func (c *Config) document(path string) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, configHead, path)
	section := ""
	for _, s := range c.settings() {
		part, name, nested := strings.Cut(s.key, ".")
		indent := ""
		if nested {
			indent = "  "
			if part != section {
				section = part
				fmt.Fprintf(&b, "\n%s%s%s:\n", comment("", sections[part]), c.unlessSet(part), part)
			}
		} else {
			name = s.key
		}
		if !nested && s.doc != "" {
			b.WriteString("\n")
		}
		b.WriteString(comment(indent, s.doc))
		if text := s.value.text(); text != "" {
			fmt.Fprintf(&b, "%s%s: %s\n", indent, name, text)
		} else {
			fmt.Fprintf(&b, "%s# %s:\n", indent, name)
		}
	}
	return []byte(b.String())
}

// unlessSet is what comments a section out in which no setting has a value: a
// section that is there holds something.
func (c *Config) unlessSet(section string) string {
	for _, s := range c.settings() {
		if strings.HasPrefix(s.key, section+".") && s.value.text() != "" {
			return ""
		}
	}
	return "# "
}

// comment puts a # before each line of text.
func comment(indent, text string) string {
	if text == "" {
		return ""
	}
	return indent + "# " + strings.ReplaceAll(text, "\n", "\n"+indent+"# ") + "\n"
}
