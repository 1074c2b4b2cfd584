#include "sim_check.h"
bool check_enricher_done(void)
{
	return true;
}
void check_enricher_end(void)
{
}
