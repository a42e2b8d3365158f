package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed" // for the page
	"encoding/base64"
	"html/template"
	"net/http"
	"sync"

	"mohur/problem"
)

//go:embed demo/demo.html
var demoHTML string

//go:embed demo/demo.css
var demoCSS string

//go:embed demo/demo.js
var demoJS string

// demoPolicy lets the page have its own style and script and speak to this server.
var demoPolicy = "default-src 'none'; style-src " + sourceHash(demoCSS) + "; script-src " + sourceHash(demoJS) +
	"; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

func sourceHash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// Style and script are ours and put in unchanged: their hashes stand in the policy.
var demoTemplate = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("demo").Funcs(template.FuncMap{
		"style":  func() template.HTML { return template.HTML("<style>" + demoCSS + "</style>") },
		"script": func() template.HTML { return template.HTML("<script>" + demoJS + "</script>") },
	}).Parse(demoHTML))
})

// getDemo is the page on which a developer registers a key or a card, logs in and pays. It
// calls the API like any front end, with the key that is typed into it. There is none
// outside development.
func (x *exchange) getDemo(context.Context) (reply, error) {
	f := x.filter()
	lang := among(f, "lang", locales)
	if err := f.check.Err(); err != nil {
		return reply{}, err
	}
	if !x.server.Development {
		return reply{}, problem.New(problem.NotFound, "there is no such resource")
	}
	if lang == "" {
		lang = preferred(x.r.Header.Get("Accept-Language"))
	}
	var out bytes.Buffer
	if err := demoTemplate().Execute(&out, map[string]any{"Lang": lang, "Langs": locales, "Words": demoWords[lang]}); err != nil {
		return reply{}, err
	}
	return reply{handler: public{kind: "text/html; charset=utf-8", tag: hashTag(out.Bytes()), text: out.Bytes(), more: http.Header{
		"Content-Security-Policy": {demoPolicy}, "Content-Language": {lang}, "Vary": {"Accept-Language"}, "Referrer-Policy": {"no-referrer"},
	}}}, nil
}

// getRelatedOrigins tells browsers which pages on other domains may use the bank's
// keys (WebAuthn Level 3 section 5.11.1).
func (x *exchange) getRelatedOrigins(context.Context) (reply, error) {
	if x.server.RelatedOrigins == nil {
		return reply{}, problem.New(problem.NotFound, "there are no related origins")
	}
	return reply{status: http.StatusOK, raw: x.server.RelatedOrigins}, nil
}

var demoWords = map[string]map[string]string{
	"az": {
		"title": "Mohur: açarın və kartın sınağı", "about": "Yalnız tərtibat üçündür. Səhifə API-ni bankın öz kanalı kimi çağırır.",
		"key": "Tərtibat açarı (admin.key faylından)", "customer": "Müştəri",
		"enrol": "Qeydiyyat", "register": "Açarı qeydiyyata al", "registerCard": "Kartı qeydiyyata al",
		"registerAbout": "Müştəri yaradılır, birdəfəlik sirr göndərilir, brauzer açarı, mohur-card proqramı isə kartı soruşur.",
		"login":         "Daxil ol", "loginAbout": "Açar və ya kart giriş mətninin heşini imzalayır.", "nameless": "Adsız daxil ol", "loginCard": "Kartla daxil ol",
		"pay": "Ödənişi təsdiq et", "payAbout": "Əvvəlcə daxil olun. Daxil olduğunuz açar və ya kart məbləği və alanı göstərən mətnin heşini imzalayır.",
		"amount": "Məbləğ, AZN", "payee": "Alanın hesabı", "result": "Nəticə",
	},
	"en": {
		"title": "Mohur: try a key or a card", "about": "For development only. The page calls the API as a front end of the bank would.",
		"key": "Development key (from the file admin.key)", "customer": "Customer",
		"enrol": "Register", "register": "Register a key", "registerCard": "Register a card",
		"registerAbout": "The customer is made, a one-time secret is sent, and the browser asks for the key, or the program mohur-card for the card.",
		"login":         "Log in", "loginAbout": "The key or the card signs the hash of the text of this log-in.", "nameless": "Log in without a name", "loginCard": "Log in with a card",
		"pay": "Confirm a payment", "payAbout": "Log in first. The key or card of the log-in signs the hash of the text that names amount and payee.",
		"amount": "Amount, AZN", "payee": "Account of the payee", "result": "Result",
	},
	"ru": {
		"title": "Mohur: проверка ключа и карты", "about": "Только для разработки. Страница вызывает API так же, как канал банка.",
		"key": "Ключ разработки (из файла admin.key)", "customer": "Клиент",
		"enrol": "Регистрация", "register": "Зарегистрировать ключ", "registerCard": "Зарегистрировать карту",
		"registerAbout": "Создаётся клиент, отправляется одноразовый секрет, браузер запрашивает ключ, а программа mohur-card — карту.",
		"login":         "Войти", "loginAbout": "Ключ или карта подписывает хеш текста этого входа.", "nameless": "Войти без имени", "loginCard": "Войти по карте",
		"pay": "Подтвердить платёж", "payAbout": "Сначала войдите. Ключ или карта, по которым вы вошли, подписывает хеш текста с суммой и получателем.",
		"amount": "Сумма, AZN", "payee": "Счёт получателя", "result": "Результат",
	},
}
