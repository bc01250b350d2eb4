package assign

// For tests that need package chat, which this package's own tests can't import.
var (
	AnyDocument = anyDocument
	AnyPerson   = anyPerson
	TestSeed    = seed
	TestWords   = words
)
