// Package detect tells from a first message which language a customer writes and which country they are from. It says
// Unknown rather than guess: rules route by what it says, and "unknown" is a value they can name.
package detect

import (
	"strings"
	"sync"
)

// Unknown is what Language and Country say when they can't tell.
const Unknown = "unknown"

// Country is the customer's country in ISO 3166 alpha-2: by the prefix of their WhatsApp user id ("AE.…", parent ids
// "AE.ENT.…" too), else by the calling code of their phone number, with or without "+". Either argument may be empty.
// Nothing else of an id is ever read.
//
// Countries that share a calling code are told apart in North America, for Kazakhstan, Mayotte and Curaçao; the
// other small territories (Guernsey, Svalbard, …) count for the main country of their code. A table does
// this instead of a phone number library, whose metadata takes some ten milliseconds at every start of a function; the
// tests hold the table against such a library.
func Country(userID, phone string) string {
	if prefix, _, found := strings.Cut(userID, "."); found && isCountry(prefix) {
		return prefix
	}
	digits := strings.TrimPrefix(phone, "+")
	if len(digits) < shortestPhone || len(digits) > longestPhone || strings.Trim(digits, "0123456789") != "" {
		return Unknown
	}
	codes := callingCodes()
	for n := longestPrefix; n > 0; n-- {
		if country, found := codes[digits[:n]]; found {
			return country
		}
	}
	return Unknown
}

// E.164 allows 15 digits with the calling code; the shortest mobile numbers (of small islands) have 7.
const (
	shortestPhone = 7
	longestPhone  = 15
)

func isCountry(s string) bool {
	return len(s) == 2 && 'A' <= s[0] && s[0] <= 'Z' && 'A' <= s[1] && s[1] <= 'Z' && strings.Contains(countries, s)
}

// longestPrefix is the length of the longest number in callingCodeTable.
const longestPrefix = 6

// countries are the codes of ISO 3166 alpha-2, and XK for Kosovo. The spaces keep two neighbours from making a third.
const countries = "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT " +
	"BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ " +
	"FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS " +
	"IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN " +
	"MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW " +
	"PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN " +
	"TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW"

// callingCodes maps the first digits of a phone number to its country; the longest that fits counts. Made at first use.
var callingCodes = sync.OnceValue(func() map[string]string {
	codes := make(map[string]string, 320)
	for line := range strings.Lines(callingCodeTable) {
		country, prefixes, _ := strings.Cut(strings.TrimSpace(line), " ")
		for prefix := range strings.FieldsSeq(prefixes) {
			codes[prefix] = country
		}
	}
	return codes
})

// callingCodeTable is a line for each country: its calling code, or where the code is shared, what follows it too.
// Facts of ITU-T E.164 and of the North American Numbering Plan, as of 2026.
const callingCodeTable = `US 1
CA 1204 1226 1236 1249 1250 1257 1263 1289 1306 1343 1354 1365 1367 1368 1382 1403 1416 1418 1428 1431 1437 1438 1450 1468 1474 1506 1514 1519 1548 1579 1581 1584 1587 1600 1604 1613 1622 1633 1639 1647 1672 1683 1705 1709 1742 1753 1778 1780 1782 1807 1819 1825 1867 1873 1879 1902 1905 1942
AG 1268
AI 1264
AS 1684
BB 1246
BM 1441
BS 1242
DM 1767
DO 1809 1829 1849
GD 1473
GU 1671
JM 1876 1658
KN 1869
KY 1345
LC 1758
MP 1670
MS 1664
PR 1787 1939
SX 1721
TC 1649
TT 1868
VC 1784
VG 1284
VI 1340
RU 7
KZ 76 77
EG 20
SS 211
MA 212
DZ 213
TN 216
LY 218
GM 220
SN 221
MR 222
ML 223
GN 224
CI 225
BF 226
NE 227
TG 228
BJ 229
MU 230
LR 231
SL 232
GH 233
NG 234
TD 235
CF 236
CM 237
CV 238
ST 239
GQ 240
GA 241
CG 242
CD 243
AO 244
GW 245
IO 246
SH 247 290
SC 248
SD 249
RW 250
ET 251
SO 252
DJ 253
KE 254
TZ 255
UG 256
BI 257
MZ 258
ZM 260
MG 261
RE 262
YT 262269 262639
ZW 263
NA 264
MW 265
LS 266
BW 267
SZ 268
KM 269
ZA 27
ER 291
AW 297
FO 298
GL 299
GR 30
NL 31
BE 32
FR 33
ES 34
GI 350
PT 351
LU 352
IE 353
IS 354
AL 355
MT 356
CY 357
FI 358
BG 359
HU 36
LT 370
LV 371
EE 372
MD 373
AM 374
BY 375
AD 376
MC 377
SM 378
VA 379
UA 380
RS 381
ME 382
XK 383
HR 385
SI 386
BA 387
MK 389
IT 39
RO 40
CH 41
CZ 420
SK 421
LI 423
AT 43
GB 44
DK 45
SE 46
NO 47
PL 48
DE 49
FK 500
BZ 501
GT 502
SV 503
HN 504
NI 505
CR 506
PA 507
PM 508
HT 509
PE 51
MX 52
CU 53
AR 54
BR 55
CL 56
CO 57
VE 58
GP 590
BO 591
GY 592
EC 593
GF 594
PY 595
MQ 596
SR 597
UY 598
BQ 599
CW 5999
MY 60
AU 61
ID 62
PH 63
NZ 64
SG 65
TH 66
TL 670
NF 672
BN 673
NR 674
PG 675
TO 676
SB 677
VU 678
FJ 679
PW 680
WF 681
CK 682
NU 683
WS 685
KI 686
NC 687
TV 688
PF 689
TK 690
FM 691
MH 692
JP 81
KR 82
VN 84
KP 850
HK 852
MO 853
KH 855
LA 856
CN 86
BD 880
TW 886
TR 90
IN 91
PK 92
AF 93
LK 94
MM 95
MV 960
LB 961
JO 962
SY 963
IQ 964
KW 965
SA 966
YE 967
OM 968
PS 970
AE 971
IL 972
BH 973
QA 974
BT 975
MN 976
NP 977
IR 98
TJ 992
TM 993
AZ 994
GE 995
KG 996
UZ 998`
