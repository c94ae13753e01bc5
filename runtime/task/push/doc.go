// Package push sends the push notifications of package task over HTTP, to
// targets that callers have named and that must therefore not be trusted:
//
//	sender := push.NewSender()
//	defer sender.Close()
//	engine, err := task.Open(ctx, store, run, task.WithPush(sender))
//
// A target is an address on the public internet unless [WithAllow] says
// otherwise. The address is checked when it is dialed, so that neither a name
// that resolves to another address later nor a redirect leads inside: loopback,
// private and link-local networks, among them the metadata services of clouds,
// are out of reach (A2A 1.0, section 13.2). Redirects are not followed at all,
// so that the caller's token stays with the host it was meant for. Proxies of
// the environment are not used, since they would dial in place of this package.
//
// A delivery is a POST of application/json with the caller's token as
// A2A-Notification-Token (and X-A2A-Notification-Token, as 0.3 has it), its credentials as Authorization, and a stable id as
// Webhook-Id. With [WithSigningKey] it is signed as Standard Webhooks says.
package push
