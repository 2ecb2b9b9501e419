/**
 * Defines `qslmReach(live)` in a page: makes an embedded figure usable without a pointer. Of the marks of a
 * figure one takes the focus with Tab, the arrow keys go to the others, Enter or space clicks on the one in
 * focus. What the figure's status lines say is repeated in a live region when it changes. Figures draw their
 * marks anew, so all of it is looked at again whenever the picture changes.
 */
export const REACH = `function qslmReach(live) {
  var region = document.createElement('div');
  region.setAttribute('role', 'status');
  region.setAttribute('aria-live', 'polite');
  region.style.cssText = 'position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)';
  live.appendChild(region);
  var waiting, current = 0;
  function marks() {
    return Array.prototype.slice.call(live.querySelectorAll('[role="graphics-symbol"][aria-roledescription="point"]'));
  }
  function look() {
    waiting = undefined;
    var all = marks();
    if (current >= all.length) current = 0;
    all.forEach(function (mark, place) { mark.setAttribute('tabindex', place === current ? '0' : '-1'); });
    var texts = Array.prototype.map.call(live.querySelectorAll('[class*="status"] text'), function (text) {
      var lines = text.querySelectorAll('tspan');
      return lines.length ? Array.prototype.map.call(lines, function (line) { return line.textContent; }).join(' ') : text.textContent;
    });
    var said = texts.join(' ').trim();
    if (said !== region.textContent) region.textContent = said;
  }
  new MutationObserver(function () {
    if (waiting === undefined) waiting = setTimeout(look, 200);
  }).observe(live, { subtree: true, childList: true, characterData: true, attributeFilter: ['aria-label', 'd'] });
  live.addEventListener('keydown', function (event) {
    var all = marks(), place = all.indexOf(event.target);
    if (place < 0) return;
    var step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (step !== undefined) {
      current = (place + step + all.length) % all.length;
      look();
      all[current].focus();
    } else if (event.key === 'Enter' || event.key === ' ') {
      current = place;
      var box = event.target.getBoundingClientRect();
      var at = { bubbles: true, clientX: box.left + box.width / 2, clientY: box.top + box.height / 2 };
      event.target.dispatchEvent(new MouseEvent('click', at));
      setTimeout(function () { var again = marks()[current]; if (again) again.focus(); }, 300);
    } else return;
    event.preventDefault();
  });
  look();
}`;
