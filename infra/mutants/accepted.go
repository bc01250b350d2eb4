package main

// whyAccepted says why nothing can go wrong, as far as a test could see, where a condition is taken away; empty where it
// can.
func whyAccepted(s site) string {
	for _, a := range accepted {
		if a.write != "" && a.write != s.write || a.item != "" && a.item != s.item || a.part != "" && a.part != s.part {
			continue
		}
		return a.because
	}
	return ""
}

// accepted are conditions that others imply. An empty field stands for any.
var accepted = []struct{ write, item, part, because string }{}
