// Package browser registers the card agent with the browsers of this machine: a
// native messaging host is a small file, on Windows with a registry value that
// names it, that tells a browser which program an extension may start.
package browser

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Browser is one that can start native messaging hosts.
type Browser string

// The browsers.
const (
	Chrome   Browser = "chrome"
	Chromium Browser = "chromium"
	Edge     Browser = "edge"
	Firefox  Browser = "firefox"
)

// All are the browsers, in the order in which they are told.
var All = []Browser{Chrome, Chromium, Edge, Firefox}

// The names under which extensions start the agent.
const (
	WebEID = "eu.webeid"     // of the Web eID extension, whose application has it too
	Own    = "az.mohur.card" // of the small extension that comes with the agent
)

// The extensions of Web eID, as their stores have them: Chrome's and Edge's ids, and
// that of Firefox.
const (
	webEIDChrome  = "ncibgoaomkmdpilpocfeponihegamlic"
	webEIDEdge    = "gnmckgbandlkacikdndelhfghdejfido"
	webEIDFirefox = "{e68418bc-f2b0-4459-a9ea-3e72b6751b07}"
)

// The small extension, as its manifest's key and id say.
const (
	OwnExtension = "hhfjknhakihgfnenioplkcnnbfjnpbcd"
	OwnFirefox   = "mohur-card@mohur.example"
)

// Host is a name under which the agent is registered, and who may start it.
type Host struct {
	Name     string
	Chromium []string // extension ids in Chrome, Chromium and Edge
	Firefox  []string // extension ids in Firefox
}

var (
	hostName    = regexp.MustCompile(`^[a-z0-9_]+(\.[a-z0-9_]+)+$`)
	extensionID = regexp.MustCompile(`^[a-p]{32}$`)
)

// Hosts are those that the agent is registered as: Web eID's name, and a name of
// our own with the extensions that may use it. Without a name or extensions they
// are those of the extension that comes with the agent.
func Hosts(name string, extensions []string) ([]Host, error) {
	own := Host{Name: name}
	if name == "" {
		own.Name = Own
	}
	if !hostName.MatchString(own.Name) || len(own.Name) > 64 {
		return nil, fmt.Errorf("%q is no name of a native messaging host; write one like %s", name, Own)
	}
	if own.Name == WebEID {
		return nil, fmt.Errorf("%s is Web eID's own name and is registered anyway; leave it out or take another", WebEID)
	}
	for _, id := range extensions {
		switch {
		case extensionID.MatchString(id):
			own.Chromium = append(own.Chromium, id)
		case strings.Contains(id, "@") || strings.HasPrefix(id, "{"):
			own.Firefox = append(own.Firefox, id)
		default:
			return nil, fmt.Errorf("%q is no id of an extension; Chrome's has 32 letters from a to p, Firefox's is like name@bank.example", id)
		}
	}
	if len(extensions) == 0 {
		own.Chromium, own.Firefox = []string{OwnExtension}, []string{OwnFirefox}
	}
	return []Host{{Name: WebEID, Chromium: []string{webEIDChrome, webEIDEdge}, Firefox: []string{webEIDFirefox}}, own}, nil
}

// description is what tells our manifests from others'.
const description = "Mohur card agent"

// manifest is a native messaging host manifest of Chrome or of Firefox.
type manifest struct {
	Name        string   `json:"name"`
	Description string   `json:"description"`
	Path        string   `json:"path"`
	Type        string   `json:"type"`
	Origins     []string `json:"allowed_origins,omitempty"`
	Extensions  []string `json:"allowed_extensions,omitempty"`
}

// write makes the manifest of a host; nil where no extension of the browser may
// use it.
func (h Host) write(b Browser, program string) []byte {
	m := manifest{Name: h.Name, Description: description, Path: program, Type: "stdio"}
	if b == Firefox {
		m.Extensions = h.Firefox
	} else {
		for _, id := range h.Chromium {
			m.Origins = append(m.Origins, "chrome-extension://"+id+"/")
		}
	}
	if len(m.Extensions)+len(m.Origins) == 0 {
		return nil
	}
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return nil
	}
	return append(text, '\n')
}

// Registration is a manifest that is there.
type Registration struct {
	Browser Browser `json:"browser"`
	Host    string  `json:"host"`
	Where   string  `json:"where"`  // file or registry key
	System  bool    `json:"system"` // for everybody on this machine
	Ours    bool    `json:"ours"`
	Program string  `json:"program,omitempty"` // that it starts; "" when it cannot be read
}

// read understands a manifest that was found.
func read(b Browser, name string, e entry, system bool) Registration {
	r := Registration{Browser: b, Host: name, Where: e.where, System: system}
	var m manifest
	if json.Unmarshal(e.text, &m) == nil {
		r.Ours, r.Program = m.Description == description, m.Path
	}
	return r
}

// Machine is where the browsers of a machine look for hosts.
type Machine struct {
	user, system store
	apps         []string // where Web eID's application may be
}

// entry is what a store holds under a name.
type entry struct {
	text  []byte // nil: nothing
	where string
}

func (e entry) ours() bool { return e.text != nil && read("", "", e, false).Ours }

// store is one scope's hosts. An entry can be kept aside and put back.
type store interface {
	get(b Browser, name string) (entry, error)
	put(b Browser, name string, text []byte) error
	drop(b Browser, name string) error
	keep(b Browser, name string) error
	kept(b Browser, name string) bool
	restore(b Browser, name string) error
	forget(b Browser, name string) error // what was kept
	names(b Browser) ([]string, error)
}

func (m *Machine) scope(system bool) store {
	if system {
		return m.system
	}
	return m.user
}

// Registrations are all hosts named eu.webeid and all that are ours. What a browser
// takes when two have one name is the user's, which comes first.
func (m *Machine) Registrations() ([]Registration, error) {
	var all []Registration
	for _, b := range All {
		for _, system := range []bool{false, true} {
			s := m.scope(system)
			names, err := s.names(b)
			if err != nil {
				return nil, err
			}
			slices.Sort(names)
			for _, name := range names {
				e, err := s.get(b, name)
				if err != nil {
					return nil, err
				}
				if r := read(b, name, e, system); e.text != nil && (r.Ours || name == WebEID) {
					all = append(all, r)
				}
			}
		}
	}
	return all, nil
}

// WebEIDApp is the path of an installed Web eID application, "" without one.
func (m *Machine) WebEIDApp() string {
	for _, path := range m.apps {
		if exists(path) {
			return path
		}
	}
	return ""
}
