package doctor

// sentence is what a finding says and what to do next, in the order of words.AZ,
// words.EN, words.RU. %[1]s is the first thing that the finding knows.
type sentence struct{ says, next [3]string }

var sentences = map[string]sentence{
	"sum-good": {says: [3]string{"Nasazlıq tapılmadı.", "No fault was found.", "Неисправностей не найдено."}},
	"sum-faults": {says: [3]string{"Tapılan nasazlıqlar: %[1]d. Onları yuxarıdan aşağıya aradan qaldırın və yenidən yoxlayın.",
		"Faults found: %[1]d. Deal with them from the top and look again.", "Найдено неисправностей: %[1]d. Устраните их сверху вниз и проверьте снова."}},

	"program-good": {says: [3]string{"mohur-card %[1]s (%[2]s) buraxıldığı kimidir", "mohur-card %[1]s (%[2]s) is as it was released", "mohur-card %[1]s (%[2]s) соответствует выпуску"}},
	"program-own": {
		says: [3]string{"mohur-card %[1]s (%[2]s) bankın buraxılışı deyil", "mohur-card %[1]s (%[2]s) is no release of the bank", "mohur-card %[1]s (%[2]s) не является выпуском банка"},
		next: [3]string{"Bank öz buraxılışını verirsə, onu quraşdırın.", "If the bank gives out a release, install that.", "Если банк выдаёт свой выпуск, установите его."}},
	"program-unsigned": {
		says: [3]string{"mohur-card %[1]s (%[2]s): yanında SHA256SUMS faylı yoxdur", "mohur-card %[1]s (%[2]s): the file SHA256SUMS is not beside it", "mohur-card %[1]s (%[2]s): рядом нет файла SHA256SUMS"},
		next: [3]string{"Buraxılışın SHA256SUMS faylını proqramın qovluğuna qoyun.", "Put SHA256SUMS of the release into the program's directory.", "Положите SHA256SUMS выпуска в каталог программы."}},
	"program-bad": {
		says: [3]string{"Proqram buraxıldığı kimi deyil: %[1]v", "The program is not as it was released: %[1]v", "Программа не соответствует выпуску: %[1]v"},
		next: [3]string{"Onu silin və bankdan yenidən götürün. Kartı və PIN-kodu bu proqrama verməyin.", "Remove it and get it anew from the bank. Give it neither card nor PIN.", "Удалите её и получите в банке заново. Не используйте с ней карту и PIN-код."}},
	"config-good": {says: [3]string{"%[2]s, səhifələr: %[3]s (%[1]s)", "%[2]s, pages: %[3]s (%[1]s)", "%[2]s, страницы: %[3]s (%[1]s)"}},
	"config-missing": {
		says: [3]string{"Konfiqurasiya yoxdur", "There is no configuration", "Нет конфигурации"},
		next: [3]string{"Bankdan config.yaml faylını alın və birinci yerə qoyun: %[1]s", "Get config.yaml from the bank and put it to the first of %[1]s", "Получите в банке config.yaml и положите в первое из мест: %[1]s"}},
	"config-bad": {
		says: [3]string{"Konfiqurasiya: %[1]v", "Configuration: %[1]v", "Конфигурация: %[1]v"},
		next: [3]string{"Bankın göndərdiyi config.yaml faylını olduğu kimi qoyun və ya göstərilən sətirləri düzəldin.", "Put the bank's config.yaml back as it was, or correct the lines that are named.", "Верните config.yaml банка в исходном виде или исправьте указанные строки."}},
	"bank-good": {says: [3]string{"%[1]s cavab verir", "%[1]s answers", "%[1]s отвечает"}},
	"bank-away": {
		says: [3]string{"%[1]s cavab vermir: %[2]v", "%[1]s does not answer: %[2]v", "%[1]s не отвечает: %[2]v"},
		next: [3]string{"Şəbəkəni yoxlayın: bu səhifə brauzerdə açılırmı? Sertifikat xətasıdırsa, kompüterin saatını və ca_file parametrini yoxlayın.",
			"Check the network: does a browser open that page? If it is about a certificate, check the computer's clock and ca_file.",
			"Проверьте сеть: открывается ли страница в браузере? Если ошибка сертификата, проверьте часы компьютера и ca_file."}},
	"clock-good": {says: [3]string{"Saat düzgündür", "The clock is right", "Часы идут верно"}},
	"clock-off": {
		says: [3]string{"Kompüterin saatı bankın saatından %[1]s fərqlənir", "The computer's clock is %[1]s off the bank's", "Часы компьютера расходятся с банком на %[1]s"},
		next: [3]string{"Saatı düzəldin və şəbəkə ilə avtomatik təyin etməyi qoşun.", "Set the clock, and have it set by the network.", "Исправьте часы и включите их установку по сети."}},
	"dialog-good": {says: [3]string{"Müştəridən soruşmaq üçün pəncərə və ya terminal var", "There is a desktop or a terminal to ask the customer", "Есть чем спросить клиента: рабочий стол или терминал"}},
	"dialog-none": {
		says: [3]string{"Nə pəncərə, nə də terminal var", "There is neither a desktop nor a terminal to ask the customer", "Нет ни рабочего стола, ни терминала, чтобы спросить клиента"},
		next: [3]string{"zenity, kdialog və ya pinentry quraşdırın (Debian: apt install zenity).", "Install zenity, kdialog or pinentry (Debian: apt install zenity).", "Установите zenity, kdialog или pinentry (Debian: apt install zenity)."}},

	"browser-good": {says: [3]string{"%[1]s: %[2]s bu proqramı başladır", "%[1]s: %[2]s starts this program", "%[1]s: %[2]s запускает эту программу"}},
	"browser-elsewhere": {
		says: [3]string{"%[1]s: %[2]s başqa yerdəki mohur-card proqramını başladır: %[3]s", "%[1]s: %[2]s starts the mohur-card of another place, %[3]s", "%[1]s: %[2]s запускает mohur-card из другого места: %[3]s"},
		next: [3]string{"Bu proqram başlamalıdırsa: mohur-card install", "If this one is to be started: mohur-card install", "Если нужна эта программа: mohur-card install"}},
	"browser-gone": {
		says: [3]string{"%[1]s: %[2]s olmayan proqramı başladır: %[3]s", "%[1]s: %[2]s starts a program that is not there, %[3]s", "%[1]s: %[2]s запускает программу, которой нет: %[3]s"},
		next: [3]string{"mohur-card install", "mohur-card install", "mohur-card install"}},
	"browser-other": {
		says: [3]string{"%[1]s: %[2]s başqa proqramı başladır: %[3]s (%[4]s)", "%[1]s: %[2]s starts another program, %[3]s (%[4]s)", "%[1]s: %[2]s запускает другую программу: %[3]s (%[4]s)"},
		next: [3]string{"Web eID proqramı bu kartı tanıyırsa, dəyişməyin. Tanımırsa: mohur-card install --replace, və ya bankın öz genişlənməsi.",
			"If the Web eID application knows the card, leave it. If not: mohur-card install --replace, or the bank's own extension.",
			"Если приложение Web eID знает карту, оставьте. Если нет: mohur-card install --replace или расширение банка."}},
	"browser-none": {
		says: [3]string{"Heç bir brauzer bu proqramı başlatmır", "No browser starts this program", "Ни один браузер не запускает эту программу"},
		next: [3]string{"mohur-card install; sonra brauzeri yenidən başladın.", "mohur-card install; then start the browser anew.", "mohur-card install; затем перезапустите браузер."}},
	"browser-failed": {
		says: [3]string{"Brauzerlərin qeydləri oxunmur: %[1]v", "What is registered with the browsers cannot be read: %[1]v", "Регистрации браузеров не читаются: %[1]v"},
		next: [3]string{"Bu istifadəçinin qovluqlarına icazələri yoxlayın.", "Check the rights to this user's directories.", "Проверьте права на каталоги пользователя."}},
	"webeid-app": {says: [3]string{"Web eID proqramı quraşdırılıb: %[1]s", "The Web eID application is installed: %[1]s", "Установлено приложение Web eID: %[1]s"}},

	"service-good": {says: [3]string{"Smart-kart xidməti işləyir", "The smart card service is running", "Служба смарт-карт работает"}},
	"library-missing": {
		says: [3]string{"PC/SC kitabxanası yoxdur", "There is no PC/SC library", "Нет библиотеки PC/SC"},
		next: [3]string{"Debian: apt install libpcsclite1 pcscd", "Debian: apt install libpcsclite1 pcscd", "Debian: apt install libpcsclite1 pcscd"}},
	"service-missing": {
		says: [3]string{"Smart-kart xidməti (pcscd) quraşdırılmayıb", "The smart card service, pcscd, is not installed", "Служба смарт-карт (pcscd) не установлена"},
		next: [3]string{"apt install pcscd", "apt install pcscd", "apt install pcscd"}},
	"service-stopped": {
		says: [3]string{"Smart-kart xidməti işləmir", "The smart card service is not running", "Служба смарт-карт не работает"},
		next: [3]string{"systemctl enable --now pcscd.socket (macOS: kompüteri yenidən başladın)", "systemctl enable --now pcscd.socket (macOS: restart the computer)", "systemctl enable --now pcscd.socket (macOS: перезагрузите компьютер)"}},
	"service-windows": {
		says: [3]string{"Smart-kart xidməti işləmir; oxuyucu qoşulmayıbsa, Windows onu dayandırır", "The smart card service is not running; Windows stops it while no reader is plugged in", "Служба смарт-карт не работает; без считывателя Windows её останавливает"},
		next: [3]string{"Oxuyucunu qoşun. Kömək etməsə: oxuyucunun drayverini quraşdırın, services.msc pəncərəsində «Smart Card» xidmətini başladın.",
			"Plug the reader in. If that does not help: install the reader's driver, and start the service \"Smart Card\" in services.msc.",
			"Подключите считыватель. Если не помогло: установите его драйвер и запустите службу «Смарт-карта» в services.msc."}},
	"service-failed": {
		says: [3]string{"Smart-kart xidməti imtina edir: %[1]v", "The smart card service refuses: %[1]v", "Служба смарт-карт отказывает: %[1]v"},
		next: [3]string{"Kompüterin qarşısında oturun: uzaqdan giriş üçün xidmət oxuyucuları gizlədə bilər. Sonra xidməti yenidən başladın.",
			"Sit at the computer itself: the service may hide its readers from a remote session. Then restart the service.",
			"Работайте за самим компьютером: удалённому сеансу служба может не показывать считыватели. Затем перезапустите службу."}},

	"usb-good": {says: [3]string{"%[1]s qoşulub (USB %[2]s, drayver: %[3]s)", "%[1]s is plugged in (USB %[2]s, driver: %[3]s)", "%[1]s подключён (USB %[2]s, драйвер: %[3]s)"}},
	"usb-no-driver": {
		says: [3]string{"%[1]s qoşulub (USB %[2]s), amma drayveri quraşdırılmayıb", "%[1]s is plugged in (USB %[2]s), but no driver for it is installed", "%[1]s подключён (USB %[2]s), но драйвер не установлен"},
		next: [3]string{"Drayveri quraşdırın: %[3]s (Debian: apt install), sonra onu çıxarıb yenidən qoşun.", "Install the driver: %[3]s (Debian: apt install), then unplug it and plug it in again.", "Установите драйвер: %[3]s (Debian: apt install), затем отключите и подключите его снова."}},
	"usb-unseen": {
		says: [3]string{"%[1]s qoşulub (USB %[2]s, drayver: %[3]s), amma xidmət onu görmür", "%[1]s is plugged in (USB %[2]s, driver: %[3]s), but the service does not see it", "%[1]s подключён (USB %[2]s, драйвер: %[3]s), но служба его не видит"},
		next: [3]string{"Onu çıxarıb yenidən qoşun; sonra: systemctl restart pcscd", "Unplug it and plug it in again; then: systemctl restart pcscd", "Отключите и подключите его снова; затем: systemctl restart pcscd"}},
	"usb-waiting": {
		says: [3]string{"%[1]s qoşulub (USB %[2]s, drayver: %[3]s) və xidməti gözləyir", "%[1]s is plugged in (USB %[2]s, driver: %[3]s) and waits for the service", "%[1]s подключён (USB %[2]s, драйвер: %[3]s) и ждёт службы"},
		next: [3]string{"Əvvəlcə xidməti işə salın.", "Get the service running first.", "Сначала запустите службу."}},
	"reader-none": {
		says: [3]string{"Kart oxuyucusu yoxdur", "There is no card reader", "Нет считывателя карт"},
		next: [3]string{"Oxuyucunu və ya tokeni qoşun; başqa USB yuvasını sınayın.", "Plug the reader or the token in; try another USB port.", "Подключите считыватель или токен; попробуйте другой порт USB."}},
	"reader-empty": {
		says: [3]string{"%[1]s: kart yoxdur", "%[1]s: no card", "%[1]s: нет карты"},
		next: [3]string{"Kartı taxın və yenidən yoxlayın.", "Put the card in and look again.", "Вставьте карту и проверьте снова."}},
	"reader-mute": {
		says: [3]string{"%[1]s: kart cavab vermir", "%[1]s: the card does not answer", "%[1]s: карта не отвечает"},
		next: [3]string{"Kartı düzgün tərəflə taxın, kontaktları silin. Kömək etməsə, kart və ya oxuyucu xarabdır.", "Put it in the right way round and wipe its contacts. If that does not help, card or reader is broken.", "Вставьте её правильной стороной, протрите контакты. Если не помогло, неисправна карта или считыватель."}},
	"card-good": {says: [3]string{"%[2]s: %[1]s (ATR %[3]s)", "%[2]s: %[1]s (ATR %[3]s)", "%[2]s: %[1]s (ATR %[3]s)"}},
	"card-unknown": {
		says: [3]string{"%[1]s: kart tanınmadı (ATR %[2]s)", "%[1]s: this card is not known (ATR %[2]s)", "%[1]s: карта неизвестна (ATR %[2]s)"},
		next: [3]string{"Düzgün kartdırmı? Bu ATR-i banka bildirin. Sınanan modullar: %[3]s", "Is it the right card? Tell the bank this ATR. Modules tried: %[3]s", "Та ли это карта? Сообщите банку этот ATR. Опробованы модули: %[3]s"}},
	"card-unsupported": {
		says: [3]string{"%[2]s: %[1]s burada istifadə edilə bilmir (ATR %[3]s)", "%[2]s: %[1]s cannot be used here (ATR %[3]s)", "%[2]s: %[1]s здесь использовать нельзя (ATR %[3]s)"},
		next: [3]string{"Bankdan başqa kart istəyin.", "Ask the bank for another card.", "Попросите в банке другую карту."}},
	"module-missing": {
		says: [3]string{"%[1]s: kartın proqramı (PKCS#11 modulu) quraşdırılmayıb", "%[1]s: the card's software, its PKCS#11 module, is not installed", "%[1]s: не установлена программа карты (модуль PKCS#11)"},
		next: [3]string{"Kartı verənin proqramını quraşdırın (64 bit). Axtarılanlar: %[2]s", "Install the software of the card's issuer, in 64 bits. Looked for: %[2]s", "Установите программу издателя карты (64 бита). Искали: %[2]s"}},
	"module-good": {says: [3]string{"Modul %[1]s: kartlar: %[2]d", "Module %[1]s: cards: %[2]d", "Модуль %[1]s: карт: %[2]d"}},
	"module-empty": {
		says: [3]string{"Modul %[1]s bu kartı tanımır", "Module %[1]s does not know this card", "Модуль %[1]s не знает этой карты"},
		next: [3]string{"Kart yenidirsə, proqramını yeniləyin; yoxsa başqa modul lazımdır (modules parametri).", "If the card is new, update its software; else it needs another module (setting modules).", "Если карта новая, обновите программу; иначе нужен другой модуль (параметр modules)."}},
	"module-bad": {
		says: [3]string{"Modul %[1]s yüklənmir: %[2]s", "Module %[1]s cannot be loaded: %[2]s", "Модуль %[1]s не загружается: %[2]s"},
		next: [3]string{"Kartın proqramını yenidən quraşdırın (64 bit) və ya modules parametrini düzəldin.", "Install the card's software anew, in 64 bits, or correct the setting modules.", "Переустановите программу карты (64 бита) или исправьте параметр modules."}},
	"module-failed": {
		says: [3]string{"Modul %[1]s işləmir: %[2]s", "Module %[1]s fails: %[2]s", "Модуль %[1]s не работает: %[2]s"},
		next: [3]string{"Kartı çıxarıb yenidən taxın. Kömək etməsə, kartın proqramını yeniləyin.", "Take the card out and put it in again. If that does not help, update its software.", "Извлеките карту и вставьте снова. Если не помогло, обновите её программу."}},

	"token":    {says: [3]string{"Kart «%[1]s», nömrə %[2]s, %[3]s (%[4]s)", "Card \"%[1]s\", serial %[2]s, %[3]s (%[4]s)", "Карта «%[1]s», номер %[2]s, %[3]s (%[4]s)"}},
	"pin-left": {says: [3]string{"%[1]s: PIN-kod üçün qalan cəhdlər: %[2]d", "%[1]s: tries of the PIN left: %[2]d", "%[1]s: осталось попыток PIN-кода: %[2]d"}},
	"pin-low": {
		says: [3]string{"%[1]s: səhv PIN-kod daxil edilib", "%[1]s: a wrong PIN was entered", "%[1]s: вводили неверный PIN-код"},
		next: [3]string{"Bir neçə səhv kartı bloklayacaq: PIN-kodu yalnız dəqiq bilirsinizsə daxil edin.", "A few more lock the card: enter the PIN only if you are sure of it.", "Ещё несколько ошибок заблокируют карту: вводите PIN-код, только если уверены."}},
	"pin-low-left": {
		says: [3]string{"%[1]s: səhv PIN-kod daxil edilib; qalan cəhdlər: %[2]d", "%[1]s: a wrong PIN was entered; tries left: %[2]d", "%[1]s: вводили неверный PIN-код; осталось попыток: %[2]d"},
		next: [3]string{"PIN-kodu yalnız dəqiq bilirsinizsə daxil edin.", "Enter the PIN only if you are sure of it.", "Вводите PIN-код, только если уверены."}},
	"pin-last": {
		says: [3]string{"%[1]s: PIN-kodun sonuncu cəhdi qalıb", "%[1]s: one try of the PIN is left", "%[1]s: осталась последняя попытка PIN-кода"},
		next: [3]string{"Sınamayın. PIN-kodu dəqiq bilmirsinizsə, onu kartı verən quruma açdırın.", "Do not try it out. Unless you are sure of the PIN, have the card's issuer reset it.", "Не пробуйте. Если не уверены в PIN-коде, сбросьте его у издателя карты."}},
	"pin-locked": {
		says: [3]string{"%[1]s: kart bloklanıb", "%[1]s: the card is locked", "%[1]s: карта заблокирована"},
		next: [3]string{"Kartı verən qurum onu PUK ilə açır və ya başqasını verir.", "The card's issuer unlocks it with the PUK, or gives out another.", "Издатель карты разблокирует её кодом PUK или выдаст другую."}},

	"certificate": {says: [3]string{"Sertifikat: %[1]s (%[2]s), %[3]s, %[4]s tarixinədək", "Certificate: %[1]s (%[2]s), %[3]s, until %[4]s", "Сертификат: %[1]s (%[2]s), %[3]s, до %[4]s"}},
	"certificate-ending": {
		says: [3]string{"Sertifikatın müddəti bitir: %[1]s (%[2]s), %[3]s, %[4]s tarixinədək", "The certificate ends soon: %[1]s (%[2]s), %[3]s, until %[4]s", "Сертификат скоро закончится: %[1]s (%[2]s), %[3]s, до %[4]s"},
		next: [3]string{"Onu indi yeniləyin.", "Renew it now.", "Обновите его сейчас."}},
	"certificate-expired": {
		says: [3]string{"Sertifikatın müddəti %[4]s tarixində bitib: %[1]s (%[2]s), %[3]s", "The certificate ended on %[4]s: %[1]s (%[2]s), %[3]s", "Срок сертификата истёк %[4]s: %[1]s (%[2]s), %[3]s"},
		next: [3]string{"Yeni sertifikat alın.", "Get a new certificate.", "Получите новый сертификат."}},
	"certificate-early": {
		says: [3]string{"Sertifikat %[5]s tarixindən etibarlıdır: %[1]s (%[2]s), %[3]s", "The certificate begins on %[5]s: %[1]s (%[2]s), %[3]s", "Сертификат действует с %[5]s: %[1]s (%[2]s), %[3]s"},
		next: [3]string{"Kompüterin saatını yoxlayın.", "Check the computer's clock.", "Проверьте часы компьютера."}},
	"certificate-weak": {
		says: [3]string{"Sertifikatın açarı zəifdir: %[1]s (%[2]s), %[3]s", "The certificate's key is too weak: %[1]s (%[2]s), %[3]s", "Слишком слабый ключ сертификата: %[1]s (%[2]s), %[3]s"},
		next: [3]string{"Bankdan yeni kart istəyin.", "Ask the bank for a new card.", "Попросите в банке новую карту."}},
	"certificate-none": {
		says: [3]string{"Kartda giriş üçün sertifikat yoxdur", "There is no certificate for logging in on the card", "На карте нет сертификата для входа"},
		next: [3]string{"Düzgün kartdırmı? Kartı verən qurum sertifikatı yazmalıdır.", "Is it the right card? Its issuer has to put the certificate on it.", "Та ли это карта? Сертификат записывает её издатель."}},
	"use-login": {says: [3]string{"giriş üçün", "for logging in", "для входа"}},
	"use-sign":  {says: [3]string{"imza üçün", "for signing", "для подписи"}},
	"use-both":  {says: [3]string{"giriş və imza üçün", "for logging in and signing", "для входа и подписи"}},
	"use-none":  {says: [3]string{"nə giriş, nə imza üçün", "for neither logging in nor signing", "ни для входа, ни для подписи"}},
}
