/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table of the CPUs, and the I/O back end in use.
 *
 * Every file of this host may read them (host.h).  vcpu.c fills the table, and
 * io.c chooses the back end.
 */
#include "machine/linux/host.h"

struct machine_host lwkt__hosts[LWKT_MAXCPU];

const struct linux_iops *lwkt__iops;
