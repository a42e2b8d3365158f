package api

// docsWords are the headings of the page by language; what the document itself
// says of a route or a member is English.
var docsWords = map[string]map[string]string{
	"en": {
		"language": "English", "contents": "Contents", "callers": "Who may call it", "anybody": "anybody", "parameters": "Parameters", "request": "Request", "answer": "Answer",
		"refusals": "Refusals", "example": "Example", "needed": "needed", "types": "Types", "machine": "for machines", "version": "version",
		"watch": "Watching", "clients": "Clients and keys", "customers": "Customers", "tokens": "Tokens", "authentications": "Authentications", "sessions": "Sessions", "transactions": "Transactions", "oversight": "Oversight",
	},
	"az": {
		"language": "Azərbaycanca", "contents": "Mündəricat", "callers": "Kim çağıra bilər", "anybody": "hər kəs", "parameters": "Parametrlər", "request": "Sorğu", "answer": "Cavab",
		"refusals": "İmtinalar", "example": "Nümunə", "needed": "mütləq", "types": "Tiplər", "machine": "maşınlar üçün", "version": "versiya",
		"watch": "Nəzarət", "clients": "Çağıran sistemlər və açarlar", "customers": "Müştərilər", "tokens": "Tokenlər", "authentications": "Autentifikasiya", "sessions": "Sessiyalar", "transactions": "Əməliyyatlar", "oversight": "Yoxlama",
	},
	"ru": {
		"language": "Русский", "contents": "Содержание", "callers": "Кто может вызывать", "anybody": "любой", "parameters": "Параметры", "request": "Запрос", "answer": "Ответ",
		"refusals": "Отказы", "example": "Пример", "needed": "обязательно", "types": "Типы", "machine": "для машин", "version": "версия",
		"watch": "Наблюдение", "clients": "Вызывающие системы и ключи", "customers": "Клиенты", "tokens": "Токены", "authentications": "Аутентификация", "sessions": "Сессии", "transactions": "Операции", "oversight": "Надзор",
	},
}
