package detect

import (
	"strings"
	"sync"
)

// hints are the words and letters by which short texts give their language away, in lower case. "sure" words are hardly
// written by people who write another language of this list; "likely" ones are common and may be shared. Greetings that
// the whole world uses (hi, hey, ok) are likely at most: alone they tell nothing. "letters" are those that few languages
// of the script have. In scripts other than Latin the first language stands for texts without any hint.
var hints = [...]struct {
	script                          script
	language, sure, likely, letters string
}{
	{
		scriptLatin, "en",
		"evening deliver delivered delivering anyone someone nobody wrong cancel return returns broken damaged account address payment paid appointment book size colour color they your yours hello morning afternoon please thanks thank you're i'm i'd i've don't can't doesn't didn't isn't it's what's would could should " +
			"your my need want order refund delivery price invoice bought received available opening shipping where when which how much still haven't",
		"hi hey yes sorry the is are was were have has had do does did can will you i we it this that with for from to of and in on at not yet been what " +
			"who why there here good about any one help about get buy ship cost an be if or not open today tomorrow know there dear sir team",
		"",
	},
	{
		scriptLatin, "es",
		"buen quisiéramos cobraron cancelar suscripción devolver roto dañado equivocado cuenta dirección pago pagar cita talla domingos sábado consulta hablar alguien aceptan hacen dos veces ustedes llega gustaría hola gracias buenos buenas días tardes noches quiero quisiera necesito cuánto cuanto cuesta dónde cuándo pedido factura precio " +
			"tienen tienes ustedes usted puedo pueden ayuda ayúdame envío envíos compré llegado estoy está están también muchas favor saludos " +
			"devolución reembolso hacer horario abren mañana todavía señor disponible",
		"dias donde cuando el la los las un una de que es en y por para con mi me lo se su al del no si sí hay más como cómo qué tengo le esta este ha " +
			"hasta desde pero muy necesita comprar información talla hoy aún",
		"ñ¿¡",
	},
	{
		scriptLatin, "pt",
		"queria assinatura veio produto quebrado defeito errado conta endereço pagamento tamanho frete segunda via aceita aceitam falar alguém atendente domingo troca devolver comprar gente nossa olá oi obrigado obrigada boa tarde noite dia você vocês quero gostaria preciso quanto custa onde quando pedido não entrega preço " +
			"comprei chegou estou também muito tudo bem bom nota fiscal fazer vcs vc tenho boleto atendimento meu minha",
		"ola o a os as um uma de que é em e por para com me se do da dos das no na ainda ao mais como qual tem foi fiz posso saber valor hoje até " +
			"esse essa isso este esta pra já sobre pelo ajuda informações",
		"ãõ",
	},
	{
		scriptLatin, "fr",
		"annuler abonnement livrez retourner cassé abîmé compte adresse paiement payer taille quels parler quelqu'un disponible dimanche produit bonjour bonsoir salut merci voudrais j'ai je j'aimerais c'est combien coûte où quand commande livraison prix facture n'est n'ai pas vous " +
			"votre s'il plaît svp suis avez êtes toujours reçu colis remboursement besoin d'un d'une qu'est l'adresse ouvert horaires aujourd'hui mon ma acheter",
		"le la les un une des de du et en est que qui dans pour avec sur au aux ce cette il elle on nous mes ne plus quel quelle y a aide " +
			"comment bien très ai sont peut encore ou si",
		"œ",
	},
	{
		scriptLatin, "de",
		"kündigen stornieren zurückgeben kaputt falsch falsche konto adresse zahlung termin größe liefern haben sprechen jemand versand sonntag fehlt artikel guten tag moin servus danke bitte ich möchte brauche habe wie viel kostet wo wann bestellung lieferung rechnung preis nicht mein meine " +
			"ihr ihre sie können könnten gibt noch vielen dank hätte gerne wurde grüße geehrte öffnungszeiten heute kaufen paket geliefert angekommen rückerstattung frage",
		"hallo der die das ein eine einen ist sind und oder mit von für zu auf im am bei es wir haben kann hat was uns den dem nach aus mir bis hilfe " +
			"bin auch aber wenn schon keine kein morgen war",
		"ß",
	},
	{
		scriptLatin, "it",
		"annullare prodotto rotto sbagliato abbonamento conto indirizzo pagamento appuntamento taglia parlare qualcuno domenica buon giorno restituire acquistare ciao buongiorno buonasera salve grazie vorrei ho bisogno quanto costa dove quando ordine consegna prezzo fattura sono mio mia avete " +
			"potete posso perché spedizione comprato arrivato rimborso aiuto orari aperti oggi ancora per favore disponibile sapere gli pacco",
		"il lo la i le un una di che è e in con per non si mi ci del della dei al alla da nel come più cosa ha hanno questo questa siete a se " +
			"anche molto o su domani",
		"",
	},
	{
		scriptLatin, "nl",
		"annuleren opzeggen retourneren kapot verkeerd rekening adres betaling afspraak maat leveren spreken iemand zondag verzending abonnement goedemorgen goedemiddag goedenavond goedendag dag bedankt dank graag alstublieft alsjeblieft ik wil heb hoeveel kost waar wanneer " +
			"bestelling levering factuur prijs niet mijn jullie uw kunnen kunt zou willen nog geleverd ontvangen pakket bestellen vraag hulp nodig vandaag morgen terugbetaling openingstijden zijn wordt",
		"hallo hoi de het een is en of met van voor op in te dat die dit er we wij kan heeft wat bij naar uit aan ook maar als al geen u je maat " +
			"hebben om mij was",
		"",
	},
	{
		scriptLatin, "tr",
		"iptal etmek kırık bozuk yanlış hesap adres ödeme randevu beden değişim gönderim kargom ürünü geldi merhaba selam selamlar günaydın iyi günler akşamlar teşekkürler teşekkür ederim lütfen istiyorum almak ne kadar fiyat fiyatı nerede nasıl " +
			"sipariş siparişim kargo fatura var yok değil benim için nedir zaman açık bugün yarın hâlâ gelmedi yardım musunuz mısınız misiniz iade ürün acaba istiyordum",
		"mı mi bir bu ve ile da de ben sen biz siz ki çok daha hangi olarak kaç saat olur mu mü kolay gelsin alabilir şu",
		"ğış",
	},
	{
		scriptLatin, "id",
		"rusak barangnya salah batal batalkan akun alamat pembayaran bayar ukuran pesan rusaknya retur dikirim toko dibuka saja kalau aja gan sis halo selamat pagi siang sore malam terima kasih makasih mau ingin berapa harga harganya dimana kapan pesanan pengiriman tidak belum " +
			"sudah bisa tolong mohon apakah kak ada barang kirim beli tanya sampai gimana bagaimana ongkir minta nggak gak ya",
		"saya ini itu yang di ke dari dan untuk dengan apa kami anda bang pak bu min masih buka hari juga atau ready stok",
		"",
	},
	{
		scriptLatin, "ms",
		"awak nak tak boleh macam mana hendak sila encik puan dah bila kenapa tempahan penghantaran",
		"saya ini itu yang di ke dari dan untuk apa ada berapa harga terima kasih selamat pagi petang tidak lagi",
		"",
	},
	{
		scriptLatin, "pl",
		"anulować zwrócić uszkodzona zepsuty konto adres płatność rozmiar wysyłka niedziela rozmawiać dostawy cześć dzień dobry witam dziękuję dzięki proszę chcę chciałbym chciałabym potrzebuję ile kosztuje gdzie kiedy zamówienie zamówienia dostawa cena " +
			"faktura nie mój moje moja czy jest są mam można jak paczka zwrot pomoc godziny otwarte dzisiaj jutro kupić jeszcze pozdrawiam",
		"i w na z do się to za od po że co o dla mi mnie bardzo ma był tak",
		"łąęśżź",
	},
	{
		scriptLatin, "ro",
		"bună buna ziua salut mulțumesc multumesc vreau aș dori doresc cât cat costă costa unde când comanda comandă livrare preț pret factură nu " +
			"mea meu aveți aveti puteți este sunt vă rog încă sosit ajuns ajutor program deschis astăzi mâine cumpăra produs seara dimineața",
		"si și un o de la cu pe în in din pentru ce mai care a am ai fi va îmi",
		"ățșţ",
	},
	{
		scriptLatin, "sv",
		"hej tjena tack snälla jag skulle vilja behöver hur mycket kostar när beställning leverans faktura pris inte min mitt ni kan finns " +
			"beställt fått paket hjälp öppet idag imorgon köpa återbetalning varför",
		"och är en ett det att på av för med om som var har vi ni den till från vad kommer god morgon",
		"å",
	},
	{
		scriptLatin, "da",
		"hej tak venligst jeg vil gerne hvor meget koster hvornår bestilling levering faktura pris ikke mit min jer hvad købe pakke hjælp åbent åbner " +
			"morgen refusion modtaget endnu kunne",
		"og er en et det at på af for med om som har vi i den til fra kan der dag",
		"åæø",
	},
	{
		scriptLatin, "no",
		"hei takk vennligst jeg vil gjerne hvor mye koster når bestilling levering faktura pris ikke mitt min dere hva kjøpe pakke hjelp åpent åpner " +
			"refusjon mottatt ennå fått",
		"og er en et det at på av for med om som har vi i den til fra kan der god dag morgen",
		"åæø",
	},
	{
		scriptLatin, "fi",
		"hei moi terve kiitos haluan haluaisin tarvitsen paljonko maksaa missä milloin tilaus tilaukseni toimitus hinta lasku ei minun minulla onko " +
			"voitteko apua auki tänään huomenna ostaa paketti vielä saanut päivää",
		"ja on se että mitä miten kun ole olen te me jos tai",
		"",
	},
	{
		scriptLatin, "cs",
		"dobrý den ahoj děkuji díky prosím chci chtěl bych chtěla potřebuji kolik stojí kde kdy objednávka objednávku dodání cena faktura není můj " +
			"moje máte můžete jsem ještě pomoc otevřeno dnes zítra koupit balík",
		"a je se na v s z do to za od po že co jak mi mám byl",
		"řěů",
	},
	{
		scriptLatin, "sk",
		"dobrý deň ahoj ďakujem prosím chcem chcel chcela potrebujem koľko stojí kde kedy objednávka objednávku dodanie cena faktúra nie môj " +
			"moje máte môžete som ešte pomoc otvorené dnes zajtra kúpiť balík",
		"a je sa na v s z do to za od po že čo ako mi mám bol",
		"ľĺŕ",
	},
	{
		scriptLatin, "hu",
		"szia sziasztok üdvözlöm jó napot reggelt estét köszönöm kérem szeretnék szeretném mennyibe kerül hol mikor rendelés rendelésem szállítás ár számla " +
			"nem vagyok segítség nyitva ma holnap csomag még vásárolni kérdésem tudna",
		"van a az és hogy egy is ez mi de ha meg lehet ki",
		"őű",
	},
	{
		scriptLatin, "vi",
		"xin chào cảm ơn tôi mình muốn bao nhiêu giá ở đâu khi nào đơn hàng giao không của bạn được cho hỏi shop ơi mua còn chưa giúp với ạ",
		"anh em chị là và có này một những",
		"đơưạảấầậắằặẽẹếềệỉịọỏốồộớờợụủứừựỳỷ",
	},
	{
		scriptLatin, "tl",
		"kumusta kamusta magandang umaga hapon gabi salamat po opo gusto ko magkano saan kailan yung hindi wala meron mayroon paano bili bumili pwede " +
			"naman kayo ako tanong",
		"ang ng sa mga na at ba ito mo niyo lang pa may",
		"",
	},
	{
		scriptLatin, "sw",
		"habari hujambo jambo asante tafadhali nataka nahitaji ngapi bei wapi lini agizo mzigo hapana ninaomba naomba samahani karibu msaada kununua",
		"na ya wa kwa ni hii yangu leo",
		"",
	},
	{ // Hindi as it is typed on Latin keyboards
		scriptLatin, "hi",
		"namaste kya hai hain nahi nahin mujhe chahiye kitna kitne kaise kab kahan aap mera meri bhai karna hoga raha rahe dhanyavaad shukriya abhi",
		"ka ki ke ko se ji ho kar",
		"",
	},
	{
		scriptCyrillic, "ru",
		"здравствуйте привет спасибо пожалуйста добрый день вечер утро хочу хотел хотела сколько стоит где когда заказ заказал заказала " +
			"доставка цена есть можно мне у меня вас нужно подскажите помогите ещё что как почему",
		"и в не на с по а но за это от",
		"ыэёъ",
	},
	{
		scriptCyrillic, "uk",
		"привіт вітаю дякую будь ласка добрий доброго ранку вечір скільки коштує де коли замовлення замовити доставка ціна можна потрібно мені є чи як що",
		"і в не на з по а але за це від",
		"іїєґ",
	},
	{
		scriptCyrillic, "bg",
		"здравейте здрасти благодаря моля добър ден колко струва къде кога поръчка поръчката доставка цена искам имате може ли как какво съм",
		"и в не на с по а но за това от да се е",
		"",
	},
	{
		scriptCyrillic, "sr",
		"здраво добар дан хвала молим желим колико кошта где када поруџбина достава цена имате могу ли како шта сам",
		"и у не на са по а али за то од да се је",
		"ђћџљњј",
	},
	{
		scriptCyrillic, "mk",
		"здраво добар ден благодарам ве молам сакам колку чини каде кога нарачка достава цена имате може дали како што сум",
		"и во не на со по а но за тоа од да се е",
		"ѓќѕљњј",
	},
	{
		scriptCyrillic, "be",
		"вітаю добры дзень дзякуй калі ласка колькі каштуе дзе замова хачу",
		"і ў не на з па а але за гэта",
		"ўыэёі",
	},
	{scriptCyrillic, "kk", "сәлем сәлеметсіз рахмет қанша керек қайда қашан тапсырыс", "және бұл бар жоқ", "әғқңөұүһі"},
	{scriptCyrillic, "ky", "салам саламатсызбы рахмат канча керек кайда качан", "жана бул бар жок", "ңөү"},
	{scriptCyrillic, "mn", "сайн байна уу баярлалаа хэд вэ хаана хэзээ захиалга", "энэ би", "өү"},
	{scriptCyrillic, "tg", "салом рахмат чанд аст куҷо", "ва дар", "ҳҷӣӯқғ"},
	{
		scriptArabic, "ar",
		"مرحبا أهلا السلام عليكم صباح مساء شكرا أريد اريد ابغى ابي عايز كم سعر السعر أين متى طلب طلبي الطلب توصيل التوصيل فاتورة ممكن عندي عندكم هل لو سمحت الخير",
		"في من على الى إلى ما هذا هذه و مع عن لا لم",
		"ةكىأإئؤي",
	},
	{
		scriptArabic, "fa",
		"درود ممنون متشکرم مرسی لطفا می خواهم میخواهم میخوام چند است سفارش ارسال کجاست کجا چه خوبید خوبی هست دارید چطور را",
		"از به در که این آن با و من شما برای سلام",
		"پچژگکی",
	},
	{
		scriptArabic, "ur",
		"ہے ہیں کیا مجھے چاہیے کتنے کتنا کی کے کا میں آپ شکریہ براہ کرم نہیں",
		"سے پر اور یہ وہ السلام علیکم",
		"ٹڈڑںےہھپچگکی",
	},
	{scriptArabic, "ku", "سڵاو سوپاس چەند دەوێت کوێ کەی", "و لە بۆ ئەم", "ڕڵۆێەڤ"},
	{scriptArabic, "ps", "سلامونه مننه څومره چېرته غواړم", "د په", "ټډړښځڅېۍ"},
	{
		scriptDevanagari, "hi",
		"है हैं क्या मुझे चाहिए कितना कितने की के का में आप धन्यवाद नहीं मेरा मेरी कब कहाँ कैसे हूँ था",
		"नमस्ते से पर और यह को",
		"",
	},
	{
		scriptDevanagari, "mr",
		"आहे आहेत मला पाहिजे किती तुम्ही तुमच्या धन्यवाद नाही माझा माझी माझे कधी कुठे कसे नमस्कार का",
		"आणि हे",
		"ळ",
	},
	{scriptDevanagari, "ne", "छ छन् मलाई चाहियो कति तपाईं धन्यवाद छैन मेरो कहिले कहाँ कसरी हुन्छ", "नमस्ते र यो को", ""},
}

// weights of a word or letter.
const (
	sure    = 3
	plain   = 2 // a sure word without its accents, as many people type it
	likely  = 1
	letters = 2
)

type hint struct {
	language int // index in hints
	weight   int
}

// hintsTurned gives the hints by word and by letter. It is made when the first text is read, not when a function starts.
var hintsTurned = sync.OnceValues(func() (map[string][]hint, map[rune][]hint) {
	words, runes := make(map[string][]hint, 3500), make(map[rune][]hint, 150)
	for i, h := range hints {
		add := func(word string, weight int) {
			for _, known := range words[word] {
				if known.language == i {
					return
				}
			}
			words[word] = append(words[word], hint{i, weight})
		}
		for word := range strings.FieldsSeq(h.sure) {
			add(word, sure)
		}
		for word := range strings.FieldsSeq(h.likely) {
			add(word, likely)
		}
		if h.script == scriptLatin {
			for word := range strings.FieldsSeq(h.sure) {
				add(withoutAccents(word), plain)
			}
		}
		for _, r := range h.letters {
			runes[r] = append(runes[r], hint{i, letters})
		}
	}
	return words, runes
})

var accents = strings.NewReplacer("á", "a", "à", "a", "â", "a", "ä", "a", "ã", "a", "å", "a", "ą", "a", "ă", "a", "ạ", "a", "ả", "a",
	"é", "e", "è", "e", "ê", "e", "ë", "e", "ę", "e", "ě", "e", "í", "i", "î", "i", "ï", "i", "ı", "i", "ó", "o", "ò", "o", "ô", "o",
	"ö", "o", "õ", "o", "ő", "o", "ơ", "o", "ú", "u", "ù", "u", "û", "u", "ü", "u", "ű", "u", "ů", "u", "ư", "u", "ç", "c", "ć", "c", "č", "c",
	"ñ", "n", "ń", "n", "ň", "n", "ğ", "g", "ş", "s", "ș", "s", "ś", "s", "š", "s", "ț", "t", "ť", "t", "ý", "y", "ł", "l", "ľ", "l", "ď", "d",
	"đ", "d", "ř", "r", "ż", "z", "ź", "z", "ž", "z", "ø", "o", "æ", "ae", "ß", "ss")

func withoutAccents(word string) string { return accents.Replace(word) }
