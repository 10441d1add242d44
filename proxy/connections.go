package proxy

import (
	"net"
	"time"

	"golang.org/x/time/rate"

	"yiqiao/proxy/device"
)

// refusedLog is how often refused connections are logged; each is counted.
const refusedLog = 10 * time.Second

// DeviceListener returns l within limits.connections and
// limits.connectionsPerAddress as they are now.
func (p *Proxy) DeviceListener(l net.Listener) net.Listener {
	limits := p.gen.Load().Config.Limits
	sometimes := rate.Sometimes{Interval: refusedLog}
	return device.Connections{Total: limits.Connections, PerAddress: limits.ConnectionsPerAddress, Refused: func(remote net.Addr, why string) {
		p.metrics.refusedRequest(why)
		sometimes.Do(func() {
			p.log.Warn("a connection was closed: too many at once (limits.connections, limits.connectionsPerAddress); others are counted", "why", why, "remote", remote.String())
		})
	}}.Listen(l)
}
