package redis

import (
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

const (
	dialTimeout = 5 * time.Second
	ioTimeout   = 5 * time.Second
	waitTimeout = 4 * time.Second // of WAIT; shorter than ioTimeout
)

// dial makes the client for a url; it does not connect yet.
//
// The client never repeats a command by itself: an answer that was lost is an
// error, and the caller decides.
func dial(text string) (redis.UniversalClient, error) {
	u, err := url.Parse(text)
	if err != nil {
		// The cause quotes the url, and with it a password.
		return nil, errors.New("redis: the url cannot be read: want redis://user:password@host:port/db, " +
			"and special characters of the password as %XX")
	}
	query := u.Query()
	more, master := query["addr"], query.Get("master_name")
	query.Del("addr")
	query.Del("master_name")
	u.RawQuery = query.Encode()
	base, err := redis.ParseURL(u.String())
	if err != nil || u.Scheme == "unix" {
		return nil, fmt.Errorf("redis: url %s: want redis:// or rediss://, a host, the number of a database, and known options",
			u.Redacted())
	}
	if base.TLSConfig != nil && len(more) > 0 {
		base.TLSConfig.ServerName = "" // each host has its own
	}
	return redis.NewUniversalClient(&redis.UniversalOptions{
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
	}), nil
}

// bounded takes the limit where the url asks for none or for no limit.
func bounded(asked, limit time.Duration) time.Duration {
	if asked <= 0 {
		return limit
	}
	return asked
}
