// Package environment reads what a function is configured with, once, when its process starts.
package environment

import "os"

// Required is the value of a variable. It ends the process without one: a function that half works would lose work in
// silence, while one that does not start raises an alarm and leaves everything in its queue.
func Required(name string) string {
	value := os.Getenv(name)
	if value == "" {
		panic("environment variable " + name + " is missing")
	}
	return value
}
