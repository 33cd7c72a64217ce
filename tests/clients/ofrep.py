"""What does OpenFeature's own client for Python get? Prints one line of JSON; `python ofrep.py BASE_URL`.

With a line on standard input it asks again for the truth value, and prints when it is another.
"""

import json
import sys
import time

from openfeature import api
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext


def shown(details):
    code = details.error_code.value if details.error_code else None
    return {
        "value": details.value,
        "variant": details.variant,
        "reason": str(getattr(details.reason, "value", details.reason)),
        "errorCode": code,
    }


api.set_provider(OFREPProvider(base_url=sys.argv[1]))
client = api.get_client()
acme = EvaluationContext(targeting_key="acme")
print(
    json.dumps(
        {
            "truth": shown(client.get_boolean_details("truth", False, acme)),
            "text": shown(client.get_string_details("text", "default", acme)),
            "count": shown(client.get_integer_details("count", -1, acme)),
            "ratio": shown(client.get_float_details("ratio", -1.0, acme)),
            "tree": shown(client.get_object_details("tree", {}, acme)),
            "unknown": shown(client.get_boolean_details("nothing", True, acme)),
            "other_type": shown(client.get_boolean_details("text", True, acme)),
            "no_tenant": shown(client.get_boolean_details("ramped", True, EvaluationContext())),
        }
    ),
    flush=True,
)
sys.stdin.readline()
started = time.monotonic()
while client.get_boolean_value("truth", True, acme):
    if time.monotonic() - started > 10:
        sys.exit(1)
print(json.dumps({"changed_after_ms": round((time.monotonic() - started) * 1000)}), flush=True)
