package access_test

import (
	"fmt"
	"log"

	"github.com/boreas-pubsub/boreas/v2/access"
)

func ExamplePattern() {
	p, err := access.ParsePattern("chat.*")
	if err != nil {
		log.Fatal(err)
	}
	for _, channel := range []string{"chat.1", "chat.1.log", "news"} {
		fmt.Println(channel, p.Match(channel))
	}
	// Output:
	// chat.1 true
	// chat.1.log false
	// news false
}

// A program that checks tokens itself makes a grant for each valid token.
func ExampleGrant() {
	rules, err := access.NewPermissions([]access.Permission{
		{Pattern: "user.{user}", Allow: access.VerbJoin | access.VerbHistory},
		{Pattern: "chat.**", Allow: access.VerbJoin | access.VerbPublish},
		{Pattern: "chat.staff", Deny: access.AllVerbs},
	})
	if err != nil {
		log.Fatal(err)
	}
	grant := &access.Grant{Identity: "ann", TokenID: "ann", User: "ann", HasUser: true, Permissions: rules.For("ann")}
	fmt.Println(grant.May(access.VerbJoin, "user.ann"))
	fmt.Println(grant.May(access.VerbPublish, "chat.lobby"))
	fmt.Println(grant.May(access.VerbJoin, "chat.staff"))
	fmt.Println(grant.May(access.VerbJoin, "user.bob"))
	// Output:
	// <nil>
	// <nil>
	// the token's rules do not allow join on "chat.staff": rule 3: deny join, publish, history, presence on chat.staff
	// the token's rules do not allow join on "user.bob": no rule allows join on this channel
}
