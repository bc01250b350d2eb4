package assign

import (
	"slices"

	"chatkeeper/shared/team"
)

// Department is the id of the first department that the Chat fits by any of its business numbers, reply ids, keywords
// in the text, or ad sources; "" when none fits. The departments come in the order of Position.
func Department(departments []team.Department, in Input) string {
	text := folded(in.Text)
	for i := range departments {
		d := &departments[i]
		switch {
		case in.BusinessNumber != "" && slices.Contains(d.Numbers, in.BusinessNumber),
			in.ReplyID != "" && slices.Contains(d.ReplyIDs, in.ReplyID),
			in.AdSource != "" && slices.Contains(d.AdSources, in.AdSource),
			slices.ContainsFunc(d.Keywords, func(word string) bool { return contains(text, folded(word)) }):
			return d.ID
		}
	}
	return ""
}
