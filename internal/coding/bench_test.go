package coding

import (
	"fmt"
	"strings"
	"testing"
)

// list returns a list of sessions as the API describes them, with about n bytes.
func list(n int) []byte {
	var b strings.Builder
	b.WriteString(`{"sessions":[`)
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, `{"id":"%x","user":"user %d","transport":"websocket","address":"192.0.2.%d:%d","channels":%d,"since":"2026-11-29T12:%02d:%02dZ"},`,
			uint64(i+1)*0x9e3779b97f4a7c15, i*7919%1000, i%250, 1024+i*31%60000, i%5, i%60, i*7%60)
	}
	b.WriteString(`]}`)
	return []byte(b.String())
}

func BenchmarkEncodeGzip(b *testing.B) {
	for _, size := range []int{1 << 10, 16 << 10, 256 << 10} {
		body := list(size)
		b.Run(fmt.Sprintf("bytes=%d", size), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			var out []byte
			for b.Loop() {
				out, _ = EncodeGzip(body)
			}
			b.ReportMetric(float64(len(body))/float64(len(out)), "ratio")
		})
	}
}
