package team

// Identity is what a verified token says about who sent it.
type Identity struct {
	Issuer        string // of the token
	Subject       string // the issuer's name for the person; never reused, and the same for ever
	Email         string // empty if the token names none
	EmailVerified bool   // whether the issuer vouches for Email
}
