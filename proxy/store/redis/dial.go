package redis

import (
	"errors"
	"net/url"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/redis/go-redis/v9/maintnotifications"
)

const (
	dialTimeout = 5 * time.Second
	ioTimeout   = 5 * time.Second
	waitTimeout = 4 * time.Second // of WAIT; shorter than ioTimeout
)

// errURL quotes neither the url nor the parser, which quotes the url: a
// password with a slash may stand in any part of it.
var errURL = errors.New("redis: the url cannot be read: want redis:// or rediss://, then user:password@host:port/number, " +
	"special characters of the password as %XX, and only known options")

// dial makes the client for a url; it does not connect yet.
//
// The client never repeats a command by itself: an answer that was lost is an
// error, and the caller decides.
func dial(text string) (redis.UniversalClient, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, errURL
	}
	query := u.Query()
	more, master := query["addr"], query.Get("master_name")
	query.Del("addr")
	query.Del("master_name")
	u.RawQuery = query.Encode()
	base, err := redis.ParseURL(u.String())
	if err != nil || u.Scheme == "unix" {
		return nil, errURL
	}
	logging.Disable() // all that go-redis would log comes back as an error too
	if base.TLSConfig != nil && (len(more) > 0 || master != "") {
		base.TLSConfig.ServerName = "" // each host has its own
	}
	client := redis.NewUniversalClient(&redis.UniversalOptions{
		Addrs: append([]string{base.Addr}, more...), MasterName: master,
		IsClusterMode: master == "" && len(more) > 0,
		DB:            base.DB, Username: base.Username, Password: base.Password,
		SentinelUsername: base.Username, SentinelPassword: base.Password,
		TLSConfig: base.TLSConfig, PoolSize: base.PoolSize, ClientName: base.ClientName,
		MaxRetries: -1, DialerRetries: 1, ContextTimeoutEnabled: true,
		DialTimeout: bounded(base.DialTimeout, dialTimeout), PoolTimeout: ioTimeout,
		ReadTimeout: bounded(base.ReadTimeout, ioTimeout), WriteTimeout: bounded(base.WriteTimeout, ioTimeout),
		DisableIdentity:          true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
	if c, ok := client.(*redis.ClusterClient); ok {
		c.OnNewNode(func(node *redis.Client) { node.AddHook(dialHook{}) })
	} else {
		client.AddHook(dialHook{})
	}
	return client, nil
}

// bounded takes the limit where the url asks for none or for no limit.
func bounded(asked, limit time.Duration) time.Duration {
	if asked <= 0 {
		return limit
	}
	return asked
}
