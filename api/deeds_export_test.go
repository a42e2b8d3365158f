package api

import "mohur/parties"

// DeedRoles returns who may ask for an act of two people.
func DeedRoles(route string) ([]parties.Role, bool) {
	d, is := deeds[route]
	return d.roles, is
}

// Deeds is how many acts take two people.
func Deeds() int { return len(deeds) }
