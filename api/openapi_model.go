package api

import "github.com/go-json-experiment/json/jsontext"

// openDoc and the types below are the parts of an OpenAPI 3.1.1 document that
// this API needs.
type openDoc struct {
	OpenAPI    string                           `json:"openapi"`
	Info       openInfo                         `json:"info"`
	Servers    []openServer                     `json:"servers"`
	Tags       []openTag                        `json:"tags"`
	Security   []map[string][]string            `json:"security"`
	Paths      map[string]map[string]*openRoute `json:"paths"`
	Components openParts                        `json:"components"`
}

type openInfo struct {
	Title       string            `json:"title"`
	Version     string            `json:"version"`
	Summary     string            `json:"summary"`
	Description string            `json:"description"`
	License     map[string]string `json:"license"`
}

type openServer struct {
	URL         string `json:"url"`
	Description string `json:"description"`
}

type openTag struct {
	Name        string `json:"name"`
	Description string `json:"description"`
}

type openParts struct {
	Schemas         map[string]*schema      `json:"schemas"`
	Responses       map[string]openAnswer   `json:"responses"`
	Headers         map[string]openHeader   `json:"headers"`
	SecuritySchemes map[string]openSecurity `json:"securitySchemes"`
}

type openSecurity struct {
	Type        string `json:"type"`
	Scheme      string `json:"scheme"`
	Description string `json:"description"`
}

type openHeader struct {
	Description string  `json:"description"`
	Schema      *schema `json:"schema"`
}

// openRoute is one operation. Roles, problems and examples go beyond OpenAPI:
// who may call, what codes it refuses with, and by whom an example is asked.
type openRoute struct {
	ID          string                `json:"operationId"`
	Tags        []string              `json:"tags"`
	Summary     string                `json:"summary"`
	Description string                `json:"description,omitempty"`
	Security    []map[string][]string `json:"security"`
	Parameters  []openParameter       `json:"parameters,omitempty"`
	Body        *openBody             `json:"requestBody,omitempty"`
	Answers     map[string]openAnswer `json:"responses"`
	Roles       []string              `json:"x-roles"`
	Problems    []string              `json:"x-problems"`
	Examples    []openExample         `json:"x-examples,omitempty"`
}

type openExample struct {
	Name   string `json:"name"`
	Caller string `json:"caller"` // a role; "" is anybody
	Status int    `json:"status"`
}

type openParameter struct {
	Name        string               `json:"name"`
	In          string               `json:"in"`
	Required    bool                 `json:"required,omitzero"`
	Description string               `json:"description"`
	Schema      *schema              `json:"schema"`
	Examples    map[string]openValue `json:"examples,omitempty"`
}

type openValue struct {
	Value jsontext.Value `json:"value"`
}

type openBody struct {
	Required bool                 `json:"required"`
	Content  map[string]openMedia `json:"content"`
}

type openMedia struct {
	Schema   *schema              `json:"schema"`
	Examples map[string]openValue `json:"examples,omitempty"`
}

type openAnswer struct {
	Ref         string               `json:"$ref,omitempty"`
	Description string               `json:"description,omitempty"`
	Headers     map[string]openRef   `json:"headers,omitempty"`
	Content     map[string]openMedia `json:"content,omitempty"`
}

type openRef struct {
	Ref string `json:"$ref"`
}

// schema is the part of JSON Schema 2020-12 that the types of this API need.
type schema struct {
	Ref         string             `json:"$ref,omitempty"`
	Type        string             `json:"type,omitempty"`
	Description string             `json:"description,omitempty"`
	Format      string             `json:"format,omitempty"`
	Enum        []string           `json:"enum,omitempty"`
	Minimum     *int               `json:"minimum,omitzero"`
	Maximum     *int               `json:"maximum,omitzero"`
	Default     *int               `json:"default,omitzero"`
	MinLength   int                `json:"minLength,omitzero"`
	MaxLength   int                `json:"maxLength,omitzero"`
	Encoding    string             `json:"contentEncoding,omitempty"`
	Media       string             `json:"contentMediaType,omitempty"`
	Required    []string           `json:"required,omitempty"`
	Properties  map[string]*schema `json:"properties,omitempty"`
	Items       *schema            `json:"items,omitempty"`
	AnyOf       []*schema          `json:"anyOf,omitempty"`
	Extra       any                `json:"additionalProperties,omitempty"` // false or *schema

	order []string // of the properties: as they are declared
}
