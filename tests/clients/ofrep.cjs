// What does OpenFeature's own client for Node get? Prints one line of JSON; `node ofrep.cjs BASE_URL`.
// With a line on standard input it asks again for the truth value, and prints when it is another.
const { OpenFeature } = require("@openfeature/server-sdk");
const { OFREPProvider } = require("@openfeature/ofrep-provider");

async function main() {
  const provider = new OFREPProvider({ baseUrl: process.argv[2] });
  await OpenFeature.setProviderAndWait(provider);
  const client = OpenFeature.getClient();
  const acme = { targetingKey: "acme" };
  const shown = ({ value, variant, reason, errorCode }) => ({ value, variant, reason, errorCode });
  const told = {
    truth: shown(await client.getBooleanDetails("truth", false, acme)),
    text: shown(await client.getStringDetails("text", "default", acme)),
    count: shown(await client.getNumberDetails("count", -1, acme)),
    ratio: shown(await client.getNumberDetails("ratio", -1, acme)),
    tree: shown(await client.getObjectDetails("tree", {}, acme)),
    unknown: shown(await client.getBooleanDetails("nothing", true, acme)),
    other_type: shown(await client.getBooleanDetails("text", true, acme)),
    no_tenant: shown(await client.getBooleanDetails("ramped", true, {})),
  };
  console.log(JSON.stringify(told));
  process.stdin.once("data", async () => {
    const started = Date.now();
    while (await client.getBooleanValue("truth", true, acme)) {
      if (Date.now() - started > 10000) process.exit(1);
    }
    console.log(JSON.stringify({ changed_after_ms: Date.now() - started }));
    process.exit(0);
  });
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
