package client

// Bounds of one request. A server ignores frames over 64 KiB by default, and a
// name can grow sixfold when escaped, plus its quotes and comma.
const (
	maxRequestBytes = 48 << 10
	escapedMax      = 6
)

// A request joins and leaves channels. Both lists must be there.
type request struct {
	Channels lists `json:"channels"`
}

type lists struct {
	Join  []string `json:"join"`
	Leave []string `json:"leave"`
}

// requests splits what is to be joined and left into requests that a server takes.
func requests(join, leave []string) []request {
	var all []request
	for len(join) > 0 || len(leave) > 0 {
		room := maxRequestBytes
		r := request{Channels: lists{Join: []string{}, Leave: []string{}}}
		join = move(&r.Channels.Join, join, &room)
		leave = move(&r.Channels.Leave, leave, &room)
		all = append(all, r)
	}
	return all
}

// move takes as many names as there is room for and returns the rest.
func move(to *[]string, names []string, room *int) []string {
	for len(names) > 0 && *room > 0 {
		*room -= escapedMax*len(names[0]) + len(`"",`)
		*to, names = append(*to, names[0]), names[1:]
	}
	return names
}
