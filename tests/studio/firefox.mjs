// The main walk in a stock Firefox, by WebDriver BiDi (puppeteer-core): node firefox.mjs FIREFOX ADDRESS PICTURE.
// Prints what the browser complained of, as JSON.
import puppeteer from "puppeteer-core";

const [firefox, address, picture] = process.argv.slice(2);
const browser = await puppeteer.launch({ browser: "firefox", executablePath: firefox, headless: true, timeout: 120000 });
const complaints = [];
try {
  const page = await browser.newPage();
  page.setDefaultTimeout(60000);
  page.on("console", (message) => { if (message.type() === "error") complaints.push(message.text()); });
  page.on("pageerror", (error) => complaints.push(String(error)));
  await page.setViewport({ width: 1366, height: 900 });
  const go = async (path, ready) => {
    await page.goto(address + path);
    await page.waitForFunction(ready);
  };
  await go("/projects/walk", "document.querySelectorAll('.tile img[src]').length === 2");
  await page.click(".tile");
  await page.keyboard.press("a");
  await page.waitForFunction("document.querySelectorAll('.tile[data-class=anomaly]').length === 1");
  await go(`/projects/walk/paint/${picture}`, "document.body.dataset.ready");
  const box = await (await page.$("#stage")).boundingBox();
  const at = { x: box.x + box.width / 2, y: box.y + box.height / 2 };
  await page.mouse.move(at.x - 60, at.y);
  await page.mouse.down();
  await page.mouse.move(at.x + 60, at.y + 30, { steps: 8 });
  await page.mouse.up();
  await page.waitForFunction("document.querySelector('#state').dataset.state === 'saved' && !document.querySelector('#undo').disabled");
  for (const path of ["/", "/projects/walk/models", "/projects/walk/try", "/device", "/live", "/dashboard", "/records", "/jobs"]) {
    await go(path, "document.querySelector('main').textContent.trim() && document.querySelector('#language')");
    const [wide, there] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
    if (wide > there) complaints.push(`${path} is ${wide} wide, the window ${there}`);
  }
} finally {
  await browser.close();
}
console.log(JSON.stringify(complaints));
