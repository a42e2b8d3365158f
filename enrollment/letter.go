package enrollment

import (
	"bytes"
	"cmp"
	_ "embed" // for the form of a letter
	"fmt"
	"html/template"
	"strings"
	"sync"

	"mohur/parties"
)

//go:embed letter.html
var letterText string

// letterForm escapes what stands in it: a name is not trusted to be one.
var letterForm = sync.OnceValue(func() *template.Template { return template.Must(template.New("letter").Parse(letterText)) })

// letterWords are the sentences of a letter in one language.
type letterWords struct {
	Dear, Contract, Below, Until string              // before the name, the reference, the secret, the date
	titles                       map[string]string   // by purpose of the secret
	steps                        map[string][]string // what to do with it
	Never                        []string            // what to mind
}

// bankName is the bank's name where its customers read it.
func (s *Service) bankName() string { return cmp.Or(s.BankName, "Bank") }

// letter is the page that is printed, folded and posted: the activation secret in
// groups of four, what it is for, what to do, in the customer's language. It goes
// into the outbox, sealed; nobody at the bank is shown it.
func (s *Service) letter(c parties.Customer, p parties.Profile, secret Secret, text string) ([]byte, error) {
	locale := c.Locale
	if _, ok := letterLanguages[locale]; !ok {
		locale = "az"
	}
	words := letterLanguages[locale]
	least, most := s.PINRules.Digits()
	var steps []string
	for _, step := range words.steps[secret.Purpose] {
		steps = append(steps, strings.ReplaceAll(step, "{digits}", fmt.Sprintf("%d–%d", least, most)))
	}
	var page bytes.Buffer
	err := letterForm().Execute(&page, map[string]any{
		"Locale": locale, "Bank": s.bankName(), "Name": p.Name, "ContractRef": c.ContractRef, "Words": words,
		"Title": words.titles[secret.Purpose], "Steps": steps,
		"Secret": text[:4] + "-" + text[4:8] + "-" + text[8:], "Until": secret.ExpiresAt.UTC().Format("02.01.2006"),
	})
	return page.Bytes(), err
}

var letterLanguages = map[string]letterWords{
	"az": {
		Dear: "Hörmətli", Contract: "Müqavilə", Below: "Aktivləşdirmə kodunuz:", Until: "Kod bu tarixədək etibarlıdır:",
		titles: map[string]string{
			"pin": "PİN-kodun təyin edilməsi üçün məktub", "enroll": "Tətbiqin qoşulması üçün məktub", "activate": "Tokenin aktivləşdirilməsi üçün məktub",
		},
		steps: map[string][]string{
			"pin": {
				"Zərf açılmış və ya zədələnmişdirsə, kodu istifadə etməyin və dərhal banka zəng edin.",
				"Bankın internet və ya mobil xidmətində «PİN-kod təyin et» bölməsini açın və bu kodu daxil edin.",
				"Yalnız sizə məlum olan {digits} rəqəmli PİN-kod seçin: doğum tarixi, telefon nömrəsi və ardıcıl rəqəmlər olmasın.",
				"PİN-kodu təyin etdikdən sonra bu məktubu məhv edin.",
			},
			"enroll": {
				"Zərf açılmış və ya zədələnmişdirsə, kodu istifadə etməyin və dərhal banka zəng edin.",
				"Bankın internet və ya mobil xidmətində «Tətbiqi qoş» bölməsini açın və bu kodu daxil edin.",
				"Göstərilən QR kodu autentifikator tətbiqi ilə oxudun və tətbiqin verdiyi ilk kodu daxil edin.",
				"Sonra bu məktubu məhv edin.",
			},
			"activate": {
				"Zərf açılmış və ya zədələnmişdirsə, kodu istifadə etməyin və dərhal banka zəng edin.",
				"Bankın internet və ya mobil xidmətində «Tokeni aktivləşdir» bölməsini açın və bu kodu daxil edin.",
				"Tokenin göstərdiyi kodu da daxil edin.",
				"Sonra bu məktubu məhv edin.",
			},
		},
		Never: []string{
			"Bankın əməkdaşları bu kodu, PİN-kodunuzu və ya tokenin kodunu sizdən heç vaxt soruşmur.",
			"Kod bir dəfə istifadə olunur. Beş səhv cəhddən sonra etibarsız olur.",
		},
	},
	"en": {
		Dear: "Dear", Contract: "Contract", Below: "Your activation code:", Until: "The code is valid until",
		titles: map[string]string{"pin": "Letter to set your PIN", "enroll": "Letter to connect your app", "activate": "Letter to activate your token"},
		steps: map[string][]string{
			"pin": {
				"If the envelope was opened or damaged, do not use the code and call the bank at once.",
				"Open “Set PIN” in the bank's internet or mobile service and type this code.",
				"Choose a PIN of {digits} digits that only you know: no date of birth, no telephone number, no digits in a row.",
				"Destroy this letter when the PIN is set.",
			},
			"enroll": {
				"If the envelope was opened or damaged, do not use the code and call the bank at once.",
				"Open “Connect app” in the bank's internet or mobile service and type this code.",
				"Read the QR code that is shown with your authenticator app and type the first code the app gives.",
				"Then destroy this letter.",
			},
			"activate": {
				"If the envelope was opened or damaged, do not use the code and call the bank at once.",
				"Open “Activate token” in the bank's internet or mobile service and type this code.",
				"Type also the code that your token shows.",
				"Then destroy this letter.",
			},
		},
		Never: []string{
			"Nobody at the bank ever asks you for this code, for your PIN or for a code of your token.",
			"The code works once. After five wrong tries it is void.",
		},
	},
	"ru": {
		Dear: "Здравствуйте,", Contract: "Договор", Below: "Ваш код активации:", Until: "Код действителен до",
		titles: map[string]string{"pin": "Письмо для установки ПИН-кода", "enroll": "Письмо для подключения приложения", "activate": "Письмо для активации токена"},
		steps: map[string][]string{
			"pin": {
				"Если конверт вскрыт или повреждён, не используйте код и сразу позвоните в банк.",
				"Откройте раздел «Установить ПИН-код» в интернет-банке или мобильном приложении банка и введите этот код.",
				"Выберите ПИН-код из {digits} цифр, известный только вам: не дату рождения, не номер телефона, не цифры подряд.",
				"Установив ПИН-код, уничтожьте это письмо.",
			},
			"enroll": {
				"Если конверт вскрыт или повреждён, не используйте код и сразу позвоните в банк.",
				"Откройте раздел «Подключить приложение» в интернет-банке или мобильном приложении банка и введите этот код.",
				"Считайте показанный QR-код приложением-аутентификатором и введите первый код, который оно покажет.",
				"Затем уничтожьте это письмо.",
			},
			"activate": {
				"Если конверт вскрыт или повреждён, не используйте код и сразу позвоните в банк.",
				"Откройте раздел «Активировать токен» в интернет-банке или мобильном приложении банка и введите этот код.",
				"Введите также код, который показывает токен.",
				"Затем уничтожьте это письмо.",
			},
		},
		Never: []string{
			"Сотрудники банка никогда не спрашивают этот код, ваш ПИН-код или код токена.",
			"Код действует один раз. После пяти неверных попыток он недействителен.",
		},
	},
}
