/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A million threads alive at once.
 */
#include "core/thread/crowd.h"

int
main(void)
{
	return crowd_main(1000000);
}
