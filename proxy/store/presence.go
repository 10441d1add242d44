package store

import "time"

// Sighting is what is known of one device: when it was last heard of, and what
// the platform was last told of it.
type Sighting struct {
	Device string // its row in the device table
	Source string // that heard of it last
	Seen   time.Time
	// Beats: it has been heard to send heartbeats, so its silence says
	// something. Once true it stays so.
	Beats bool
	// Online is what the platform was told, at Told; nothing if that is zero.
	Online bool
	Told   time.Time
}

// Merge takes the later of what s and o know. Both are of one device.
func (s Sighting) Merge(o Sighting) Sighting {
	if o.Seen.After(s.Seen) {
		s.Seen, s.Source = o.Seen, o.Source
	}
	if o.Told.After(s.Told) {
		s.Told, s.Online = o.Told, o.Online
	}
	s.Beats = s.Beats || o.Beats
	return s
}

// Meeting is what one replica brings to Meet.
type Meeting struct {
	Holder string        // names the replica, differently in each of its lives
	Lease  time.Duration // of the lead, and how long a break is that ends Since
	Notes  []Sighting    // what it has seen and told since it met last
}

// Attendance is what Meet answers.
type Attendance struct {
	// Leads: this replica, and no other until the lease has ended, decides
	// which devices are silent.
	Leads bool
	// Since when some replica has been listening, without a break longer than
	// the lease: before that nobody could have heard a device.
	Since time.Time
	// All sightings, those of the other replicas and of earlier lives too.
	All []Sighting
}
