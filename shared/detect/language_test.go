package detect

import (
	"strings"
	"testing"
)

func TestLanguage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, want string }{
		// English
		{"Hello, where is my order?", "en"},
		{"Hello", "en"},
		{"Good morning", "en"},
		{"Hi, how much is the blue jacket?", "en"},
		{"Is this still available?", "en"},
		{"i want to return the shoes i bought last week", "en"},
		{"HELP!! my parcel has not arrived and nobody answers the phone", "en"},
		{"thanks", "en"},
		{"hellooooo", "en"},
		{"Can I get a refund? Order 48213 https://shop.example/48213", "en"},
		// Spanish
		{"Hola", "es"},
		{"Hola, buenas tardes, quisiera saber el precio", "es"},
		{"buenos dias cuanto cuesta el envio a Bogota", "es"},
		{"¿Dónde está mi pedido?", "es"},
		{"Todavía no me ha llegado el paquete 😡", "es"},
		{"holaaaa 👋", "es"},
		// Portuguese
		{"Oi, tudo bem?", "pt"},
		{"Olá, boa tarde! Gostaria de saber o preço", "pt"},
		{"bom dia, meu pedido nao chegou ainda", "pt"},
		{"vocês entregam em Recife?", "pt"},
		{"quero falar com um atendente, obrigada", "pt"},
		// French
		{"Bonjour", "fr"},
		{"Bonjour, je voudrais savoir où est ma commande", "fr"},
		{"slt c'est combien la livraison ?", "fr"},
		{"J’ai pas reçu mon colis", "fr"},
		// German
		{"Guten Tag, wann kommt meine Bestellung?", "de"},
		{"Hallo, ich hätte gerne eine Rechnung", "de"},
		{"Was kostet der Versand nach Österreich?", "de"},
		{"moin, habt ihr heute offen?", "de"},
		// Italian
		{"Buongiorno, quanto costa la spedizione?", "it"},
		{"ciao, vorrei sapere quando arriva il pacco", "it"},
		{"Siete aperti domani?", "it"},
		// Dutch
		{"Hallo, wanneer wordt mijn bestelling geleverd?", "nl"},
		{"Goedemiddag, hoeveel kost dit?", "nl"},
		// Turkish
		{"Merhaba", "tr"},
		{"iyi günler, siparişim nerede?", "tr"},
		{"fiyat ne kadar acaba", "tr"},
		// Indonesian and Malay
		{"Halo kak, berapa harganya?", "id"},
		{"selamat siang, barang saya belum sampai", "id"},
		{"awak ada stok lagi tak? saya nak beli", "ms"},
		// Polish, Czech, Hungarian, Romanian
		{"Dzień dobry, gdzie jest moja paczka?", "pl"},
		{"czy mozna zwrocic zamowienie", "pl"},
		{"Dobrý den, kdy dorazí moje objednávka?", "cs"},
		{"Jó napot, mennyibe kerül a szállítás?", "hu"},
		{"Bună ziua, cât costă livrarea?", "ro"},
		// the North
		{"Hej, när kommer mitt paket?", "sv"},
		{"Hei, kuinka paljon toimitus maksaa?", "fi"},
		{"Hej, hvornår kommer min pakke?", "da"},
		{"Hei, når kommer pakken min? Jeg har ikke fått noe ennå", "no"},
		// Vietnamese, Filipino, Swahili, Hindi on a Latin keyboard
		{"Shop ơi cho mình hỏi giá bao nhiêu ạ", "vi"},
		{"Magandang umaga po, magkano po ito?", "tl"},
		{"Habari, bei ni ngapi?", "sw"},
		{"bhai mera order kab aayega", "hi"},
		// Arabic script
		{"السلام عليكم", "ar"},
		{"مرحبا، كم سعر التوصيل؟", "ar"},
		{"تمام", "ar"},
		{"عايز اعرف الاوردر بتاعي فين", "ar"},
		{"سلام، سفارش من کجاست؟", "fa"},
		{"قیمت چند است؟", "fa"},
		{"السلام علیکم، مجھے قیمت بتائیں", "ur"},
		{"یہ کتنے کا ہے؟", "ur"},
		{"سڵاو، نرخی ئەمە چەندە؟", "ku"},
		// Cyrillic
		{"Здравствуйте, сколько стоит доставка?", "ru"},
		{"привет", "ru"},
		{"Где мой заказ", "ru"},
		{"Добрий день, коли буде доставка?", "uk"},
		{"скільки коштує", "uk"},
		{"Здравейте, колко струва доставката?", "bg"},
		{"Здраво, колико кошта достава?", "sr"},
		{"Сәлеметсіз бе, бағасы қанша?", "kk"},
		// one script, one language
		{"你好", "zh"},
		{"请问 iPhone 15 Pro Max 多少钱", "zh"},
		{"請問有現貨嗎?", "zh"},
		{"こんにちは、注文について質問があります", "ja"},
		{"配送はいつですか", "ja"},
		{"ラーメン", "ja"},
		{"안녕하세요 배송 언제 오나요?", "ko"},
		{"สวัสดีค่ะ ราคาเท่าไหร่คะ", "th"},
		{"שלום, כמה עולה המשלוח?", "he"},
		{"Καλημέρα, πόσο κοστίζει;", "el"},
		{"নমস্কার, দাম কত?", "bn"},
		{"வணக்கம், விலை என்ன?", "ta"},
		{"გამარჯობა", "ka"},
		{"Բարև ձեզ", "hy"},
		// Devanagari
		{"नमस्ते", "hi"},
		{"मुझे यह कितने का मिलेगा?", "hi"},
		{"नमस्कार, किंमत किती आहे?", "mr"},
		{"नमस्ते, मलाई मूल्य थाहा छैन", "ne"},
		// long texts without a word of the lists
		{"Sveiki, norėčiau sužinoti, kada bus pristatytas mano užsakymas, nes laukiu jau antrą savaitę ir niekas neatsako telefonu", "lt"},
		// names and numbers beside a script
		{"WhatsApp Business المساعدة", "ar"},
		{"Hello, I am 王伟 and I want to change my delivery address", "en"},

		// what people ask of a shop, in few words
		{"What are your opening hours?", "en"},
		{"my account is locked, what now", "en"},
		{"Price?", "en"},
		{"I'd like to book a table for two", "en"},
		{"Do you deliver to Sharjah", "en"},
		{"is anyone there", "en"},
		{"Invoice 4411 is wrong", "en"},
		{"yes please", "en"},
		{"good evening sir", "en"},
		{"Wrong item delivered", "en"},
		{"cancel my subscription now", "en"},
		{"necesito hablar con alguien", "es"},
		{"precio de la talla M?", "es"},
		{"¿hacen envíos a México?", "es"},
		{"quiero cancelar mi suscripción", "es"},
		{"info por favor", "es"},
		{"Buen día", "es"},
		{"me cobraron dos veces", "es"},
		{"Una consulta, abren los domingos?", "es"},
		{"Bom dia", "pt"},
		{"queria cancelar a assinatura", "pt"},
		{"qual o valor do frete?", "pt"},
		{"aceita pix?", "pt"},
		{"segunda via do boleto", "pt"},
		{"produto veio com defeito", "pt"},
		{"Vous livrez à Lyon ?", "fr"},
		{"je veux annuler mon abonnement", "fr"},
		{"bonsoir, le produit est cassé", "fr"},
		{"Quels sont vos horaires ?", "fr"},
		{"facture svp", "fr"},
		{"Ich möchte mein Abo kündigen", "de"},
		{"Rechnung fehlt", "de"},
		{"Haben Sie das auch in Größe 42?", "de"},
		{"das paket ist kaputt angekommen", "de"},
		{"Liefern Sie nach Wien?", "de"},
		{"il prodotto è rotto", "it"},
		{"vorrei annullare l'abbonamento", "it"},
		{"Avete la taglia M?", "it"},
		{"Buonasera, un'informazione", "it"},
		{"Leveren jullie ook in België?", "nl"},
		{"het pakket is kapot", "nl"},
		{"ik wil mijn abonnement opzeggen", "nl"},
		{"aboneliğimi iptal etmek istiyorum", "tr"},
		{"ürün kırık geldi", "tr"},
		{"Kargom hala gelmedi", "tr"},
		{"Ankara'ya gönderim var mı", "tr"},
		{"barangnya rusak", "id"},
		{"Bisa kirim ke Surabaya?", "id"},
		{"mau tanya stok", "id"},
		{"Assalamualaikum, mau pesan", "id"},
		{"Proszę o fakturę", "pl"},
		{"Kiedy wysyłka?", "pl"},
		{"وين طلبي", "ar"},
		{"أبي أسترجع المنتج", "ar"},
		{"بكام ده", "ar"},
		{"سلام خسته نباشید قیمت این محصول", "fa"},
		{"میرا آرڈر کہاں ہے", "ur"},
		{"Можно вернуть товар?", "ru"},
		{"Почём", "ru"},
		{"Хочу повернути товар, де подивитись статус замовлення?", "uk"},
		{"Доброго дня", "uk"},
		{"Искам да върна продукта", "bg"},
		{"退款", "zh"},
		{"你们周末营业吗", "zh"},
		{"返品したい", "ja"},
		{"サイズはありますか", "ja"},
		{"환불", "ko"},
		{"ส่งของวันไหน", "th"},
		{"ऑर्डर कहाँ है", "hi"},
		{"price kya hai", "hi"},
		{"mujhe refund chahiye", "hi"},
		{"माझी ऑर्डर कुठे आहे", "mr"},
		{"Hej! Jag vill avbeställa", "sv"},
		{"Haluan palauttaa tuotteen", "fi"},
		{"Chci vrátit zboží", "cs"},
		{"Vreau să returnez produsul", "ro"},
		{"Szeretném visszaküldeni a terméket", "hu"},
		{"còn hàng không shop", "vi"},
		{"Θέλω επιστροφή", "el"},
		{"מתי מגיע המשלוח", "he"},

		// too little to tell
		{"", Unknown},
		{"ok", Unknown},
		{"Ok 👍", Unknown},
		{"👍", Unknown},
		{"hi", Unknown}, // the whole world begins so
		{"Hey!", Unknown},
		{"?", Unknown},
		{"12345", Unknown},
		{"+971 50 123 4567", Unknown},
		{"https://shop.example/item?hello=merci", Unknown},
		{"maria.garcia@example.com", Unknown},
		{"Mario Rossi", Unknown},
		{"iPhone 15 Pro", Unknown},
		{"Hallo", Unknown}, // German or Dutch
		{"no", Unknown},
		{"Assalamu alaikum", Unknown}, // from Morocco to Indonesia
		{"xyz qwrt", Unknown},
		{"5 kΩ", Unknown},
		{"lol", Unknown},
		{"test", Unknown},
		{"1", Unknown},
		{"Ahmed", Unknown},
		{"Sara López", Unknown},
		{"salam", Unknown},
		{"SKU AB-1234", Unknown},
		{"Nike Air Max 90", Unknown},
		{"Dubai Marina", Unknown},
		{"Menu", Unknown},
		{"Start", Unknown},
		{"info", Unknown},
		{"yes", Unknown},
		{"si", Unknown},
		{"Rio de Janeiro", Unknown},
		{"Los Angeles", Unknown},
		{"Van der Berg", Unknown},
		// mixed
		{"Hello bonjour", Unknown},
		{"Hello hola", Unknown},
		{"hello привет", Unknown},
		{"please help شكرا جزيلا", Unknown},
		{"привет こんにちは", Unknown},
	} {
		if got := Language(c.text); got != c.want {
			t.Errorf("Language(%q) = %q, want %q", c.text, got, c.want)
		}
	}
}

// What surrounds the words of a message does not change its language.
func TestLanguageIgnoresWhatIsNoWord(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"Bonjour, je voudrais savoir où est ma commande", "مرحبا، كم سعر التوصيل؟", "你好，请问多少钱"} {
		want := Language(text)
		for _, around := range []string{"😀 ", "12 345,00 ", "https://shop.example/a/b ", "#1\n\n", "* ", "someone@shop.example "} {
			if got := Language(around + text + " " + around); got != want {
				t.Errorf("%q with %q around it is %s", text, around, got)
			}
		}
		if got := Language(strings.Repeat(text+" ", 200)); got != want {
			t.Errorf("%q two hundred times is %s", text, got)
		}
	}
}

func FuzzLanguage(f *testing.F) {
	for _, text := range []string{"Hola", "مرحبا", "你好 hello", "'''", "a\xff\u200d", "\u0300", strings.Repeat("a", 5000)} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got := Language(text)
		if got != Unknown && (len(got) != 2 || strings.ToLower(got) != got) {
			t.Errorf("Language(%q) = %q", text, got)
		}
		if again := Language(text); again != got {
			t.Errorf("Language(%q) is %q and then %q", text, got, again)
		}
	})
}

func BenchmarkLanguage(b *testing.B) {
	for name, text := range map[string]string{
		"short":  "Hola, buenas tardes, quisiera saber el precio",
		"arabic": "مرحبا، كم سعر التوصيل؟",
		"long":   strings.Repeat("Norėčiau sužinoti, kada bus pristatytas mano užsakymas. ", 10),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Language(text)
			}
		})
	}
}
