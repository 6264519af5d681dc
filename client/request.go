package client

// Bounds of one request. By default a server ignores frames over 64 KiB. Escaping can make a name
// six times as long; quotes and a comma are added.
const (
	maxRequestBytes = 48 << 10
	escapedMax      = 6
)

// A request joins and leaves channels. Both lists must be present, even if empty.
type request struct {
	Channels lists `json:"channels"`
}

type lists struct {
	Join  []string `json:"join"`
	Leave []string `json:"leave"`
}

// requests splits joins and leaves into requests of a size that the server accepts.
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

// move moves names to the list while there is room, and returns the rest.
func move(to *[]string, names []string, room *int) []string {
	for len(names) > 0 && *room > 0 {
		*room -= escapedMax*len(names[0]) + len(`"",`)
		*to, names = append(*to, names[0]), names[1:]
	}
	return names
}
