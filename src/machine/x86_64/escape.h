/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef LWKT_MACHINE_ESCAPE_H
#define LWKT_MACHINE_ESCAPE_H

struct machine_upcalls;

/* escape.c: to be called once per boot. */
void	lwkt__escape_boot(const struct machine_upcalls *up);

#endif
