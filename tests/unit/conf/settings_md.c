#include "kmd_conf.h"

int main(void)
{
	kmd_conf_markdown(stdout);
	return 0;
}
