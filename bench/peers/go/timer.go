// SPDX-License-Identifier: BSD-2-Clause

// Go: how late a goroutine wakes that sleeps 1 ms.
package main

import "time"

func main() {
	n := arg(1, 1000)
	late := make([]int64, n)
	for i := range late {
		begin := time.Now()
		time.Sleep(time.Millisecond)
		late[i] = int64(time.Since(begin) - time.Millisecond)
		check(late[i] >= 0, "woke early")
	}
	report("timer-p50", percentile(late, 0.5)/1e3, "us")
	report("timer-p99", percentile(late, 0.99)/1e3, "us")
}
