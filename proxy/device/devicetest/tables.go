package devicetest

import (
	"fmt"
	"strings"
)

// Area is the 小区编码 of all simulated devices.
const Area = "340102001001001"

// The codes of a simulated device, as the registration would have given them.
func camera(v *Vendor, i int) string { return fmt.Sprintf("34010200011320%d%05d", v.Number, i+1) }
func door(v *Vendor, i int) string   { return fmt.Sprintf("%s115%d%03d", Area, v.Number, (i+1)%1000) }
func gate(v *Vendor, i int) string   { return fmt.Sprintf("%s141%d%03d", Area, v.Number, (i+1)%1000) }

// DevicesCSV is the device table for n devices of each vendor.
func DevicesCSV(n int, vendors ...*Vendor) string {
	var b strings.Builder
	b.WriteString("id,name,xqbm,zpjbm,mjxtbm,dzbm,ip,jd,wd,lx,fx\n")
	for _, v := range vendors {
		for i := range n {
			fmt.Fprintf(&b, "%s,模拟设备-%s-%02d,%s,%s,%s,%s,192.0.2.%d,117.%06d,31.%06d,2,1\n", v.id(i), v.Name, i+1, Area, camera(v, i), door(v, i), gate(v, i), i%250+1, 302269+i, 895616+i)
		}
	}
	return b.String()
}

func (v *Vendor) id(i int) string { return fmt.Sprintf(v.ID, i+1) }

// PeopleCSV is the table of n made-up people.
func PeopleCSV(n int) string {
	var b strings.Builder
	b.WriteString("id,name,zjhm\n")
	for i := range n {
		fmt.Fprintf(&b, "%s|%s,住户%03d,%s\n", personID(i), cardNo(i), i+1, Identity(i))
	}
	return b.String()
}

func personID(i int) string { return fmt.Sprintf("P%03d", i+1) }
func cardNo(i int) string   { return fmt.Sprintf("C%03d", i+1) }

// Identity is a number of the form of an ID number whose check digit (GB
// 11643) is wrong on purpose: nobody can have it.
func Identity(i int) string {
	s := fmt.Sprintf("3401021990%02d%02d%03d", i%12+1, i%28+1, i%1000)
	sum := 0
	for k, w := range []int{7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2} {
		sum += int(s[k]-'0') * w
	}
	right := "10X98765432"[sum%11]
	if right == '5' {
		return s + "6"
	}
	return s + "5"
}
