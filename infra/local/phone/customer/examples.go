package customer

// Language is one that customers write in, with things they say.
type Language struct {
	Code    string   `json:"code"` // ISO 639-1
	Name    string   `json:"name"`
	Opening []string `json:"opening"` // to begin a conversation with; the last asks for a price
	More    []string `json:"more"`    // to go on with
}

// Examples are the ready-made texts.
var Examples = []Language{
	{"ar", "Arabic", []string{
		"مرحبا، لم يصل طلبي حتى الآن. هل يمكنكم المساعدة؟",
		"السلام عليكم، وصلني المنتج مكسورا وأريد استبداله.",
		"صباح الخير، كم سعر التوصيل إلى مدينتي؟",
	}, []string{"هل من جديد؟", "شكرا جزيلا، بانتظار ردكم."}},
	{"zh", "Chinese", []string{
		"你好，我的订单三天了还没有发货，可以帮我查一下吗？",
		"请问收到的商品有破损，怎么申请退款？",
		"您好，我想了解一下这款产品的价格和运费。",
	}, []string{"有消息了吗？", "好的，谢谢，我等您回复。"}},
	{"en", "English", []string{
		"Hello, my order was due on Monday and still has not arrived. Could you check where it is?",
		"Good morning, the parcel you delivered is damaged. What should I do?",
		"Hi, what is the price for twenty pieces, and could I get a quote?",
	}, []string{"Is there any news about this?", "Thank you, I am waiting for your answer."}},
	{"fr", "French", []string{
		"Bonjour, ma commande n'est toujours pas arrivée. Pouvez-vous vérifier où elle est ?",
		"Bonsoir, j'ai reçu un produit cassé et je voudrais le retourner.",
		"Bonjour, quel est le prix de la livraison pour vingt pièces ?",
	}, []string{"Avez-vous des nouvelles ?", "Merci beaucoup, j'attends votre réponse."}},
	{"de", "German", []string{
		"Guten Tag, meine Bestellung ist noch nicht angekommen. Können Sie bitte nachsehen?",
		"Hallo, das Paket wurde geliefert, aber der Artikel ist kaputt. Was kann ich tun?",
		"Guten Morgen, wie viel kostet die Lieferung für zwanzig Stück?",
	}, []string{"Gibt es schon etwas Neues?", "Vielen Dank, ich warte auf Ihre Antwort."}},
	{"pt", "Portuguese", []string{
		"Olá, meu pedido ainda não chegou. Vocês podem verificar, por favor?",
		"Boa tarde, o produto veio com defeito e eu gostaria de trocar.",
		"Bom dia! Quanto custa a entrega de vinte peças?",
	}, []string{"Vocês têm alguma novidade?", "Muito obrigado, fico aguardando a resposta."}},
	{"es", "Spanish", []string{
		"Hola, mi pedido todavía no ha llegado. ¿Pueden ayudarme, por favor?",
		"Buenas tardes, recibí el producto dañado y quisiera devolverlo.",
		"Buenos días, ¿cuánto cuesta el envío de veinte piezas?",
	}, []string{"¿Hay alguna novedad?", "Muchas gracias, quedo a la espera de su respuesta."}},
	{"tr", "Turkish", []string{
		"Merhaba, siparişim hâlâ gelmedi. Kontrol edebilir misiniz lütfen?",
		"İyi günler, ürün kırık geldi, iade etmek istiyorum.",
		"Merhaba, yirmi adet için fiyat ne kadar?",
	}, []string{"Yeni bir haber var mı?", "Çok teşekkür ederim, cevabınızı bekliyorum."}},
}

// ExamplesIn are the texts of a language, English ones for a language without any.
func ExamplesIn(code string) Language {
	english := Language{}
	for _, l := range Examples {
		switch l.Code {
		case code:
			return l
		case "en":
			english = l
		}
	}
	return english
}
