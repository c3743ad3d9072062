// Sends with the unmodified SDK for Node: node send.mjs URL KEY
import { Analytics } from '@segment/analytics-node'

const [, , host, writeKey] = process.argv
const failures = []
const analytics = new Analytics({ writeKey, host, flushAt: 5, flushInterval: 200, maxRetries: 2 })
analytics.on('error', (error) => failures.push(String(error.code ?? error)))
analytics.identify({ userId: 'node-1', traits: { email: 'canary.one@example.com', phone: '+86 138 1234 5678' } })
for (let number = 0; number < 12; number++) {
  analytics.track({ userId: 'node-1', event: 'Product Viewed', properties: { product_id: `p${number}` } })
}
analytics.page({ anonymousId: 'anon-1', name: 'Home', properties: { path: '/' } })
analytics.screen({ userId: 'node-1', name: 'Wallet' })
analytics.group({ userId: 'node-1', groupId: 'family-1', traits: { size: 3 } })
analytics.alias({ previousId: 'anon-1', userId: 'node-1' })
await analytics.closeAndFlush({ timeout: 10_000 })
console.log(JSON.stringify({ failures }))
